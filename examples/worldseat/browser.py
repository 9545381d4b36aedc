"""A headless Chromium for the tests of the page and for its pictures."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

import playwright.sync_api as playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 240_000
"""Milliseconds to wait for the page on a busy machine."""

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Return the path of an installed Chromium: that of the variable CHROMIUM, or one on PATH."""
    candidates = [os.environ.get("CHROMIUM", ""), *PROGRAMS]
    return next((found for each in candidates if each and (found := shutil.which(each))), None)


@contextlib.contextmanager
def chromium() -> Iterator[playwright.Browser]:
    """Start the installed Chromium.

    Raises:
        FileNotFoundError: none is installed.
    """
    program = find_chromium()
    if program is None:
        raise FileNotFoundError(
            "no Chromium found: none of "
            + ", ".join(PROGRAMS)
            + " is on PATH; install Debian's package `chromium`, "
            "or set CHROMIUM to a program"
        )
    # Chromium's own sandbox does not run as root, which a container usually is.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=options)
        try:
            yield browser
        finally:
            browser.close()


PICTURES = {
    "desktop-light": (1280, 1180, "light"),
    "tablet-dark": (820, 1180, "dark"),
    "phone-light": (360, 740, "light"),
}
"""Name, width, height and colour scheme of the pictures in the docs."""


def take_pictures(url: str, folder: Path, buyers: int) -> list[Path]:
    """Run a burst on the page, and store a picture of it at three sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        open_page(page, url)
        run_burst(page, buyers)
        paths = []
        for name, (width, height, scheme) in PICTURES.items():
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.set_viewport_size({"width": width, "height": height})
            paths.append(folder / f"{name}.png")
            page.screenshot(path=paths[-1])
    return paths


def open_page(page: playwright.Page, url: str) -> None:
    """Open the page, and wait until it shows the seats of the ledger."""
    page.goto(url, timeout=PATIENCE)
    playwright.expect(page.locator("#age")).to_contain_text("Read from", timeout=PATIENCE)


def run_burst(page: playwright.Page, buyers: int) -> None:
    """Run a burst on all back ends, and wait for its end."""
    page.click(f"[data-buyers='{buyers}']")
    playwright.expect(page.locator("#status")).to_contain_text(f"{buyers} buyers. ", timeout=PATIENCE)
