"""The documentation site: built without a warning, linked without a gap, and read in a Chromium at three widths."""

from __future__ import annotations

import functools
import re
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from blocks_cli.explanations import explanations
from tools.site import INDEX, build, navigation, pages

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")

from examples.worldseat.browser import PATIENCE, chromium, find_chromium  # noqa: E402 - playwright may be missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

WIDTHS = {"phone": (360, 740), "tablet": (768, 1024), "desktop": (1280, 900)}
FIRST, ERRORS, SEARCH = "docs/index.html", "docs/errors.html", "search.html"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx", reason="the packages of the extra docs are not installed")
    folder = tmp_path_factory.mktemp("docs") / "site"
    assert build(folder) == 0
    return folder


class _Page(HTMLParser):
    """The links of a page, the addresses that it loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name == "href" and value and tag == "a":
                self.links.add(value)
            elif name in ("src", "href") and value:
                self.loaded.add(value)


@pytest.fixture(scope="module")
def read(site: Path) -> dict[str, _Page]:
    """Return every page of the site by its path."""
    files = sorted(site.rglob("*.html"))
    return {str(file.relative_to(site)): _Page(file.read_text("utf-8")) for file in files}


@pytest.mark.slow
def test_every_link_has_a_target_and_every_anchor_an_element(site: Path, read: dict[str, _Page]) -> None:
    broken = []
    for path, page in read.items():
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            if parts.scheme or link == "#":
                continue
            target = (site / path).parent / unquote(parts.path) if parts.path else site / path
            name = str(target.resolve().relative_to(site.resolve()))
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and name in read and anchor not in read[name].anchors):
                broken.append(f"{path}: {link}")
    assert len(read) > 30
    assert broken == []


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(read: dict[str, _Page]) -> None:
    assert {link for page in read.values() for link in page.loaded if urlsplit(link).scheme} == set()


@pytest.mark.slow
def test_every_code_has_an_anchor_on_the_site(read: dict[str, _Page]) -> None:
    for each in explanations():
        page, _, anchor = each.page.partition("#")
        assert anchor in read[page.replace(".md", ".html")].anchors, each.code


def test_every_page_is_in_the_navigation() -> None:
    listed = {page for entries in navigation().values() for _, page in entries}
    assert {*pages()} - {INDEX} - listed == set()
    assert [*navigation()][:4] == ["Tutorial", "Guides", "Concepts", "Reference"]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("no Chromium on PATH; install the package chromium")
    with chromium() as started:
        yield started


def opened(browser: Browser, size: str, scheme: str = "light") -> Page:
    """Return a tab of a window of that size."""
    width, height = WIDTHS[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    return context.new_page()


@pytest.mark.slow
@pytest.mark.parametrize("size", WIDTHS)
def test_no_page_scrolls_sideways(browser: Browser, url: str, read: dict[str, _Page], size: str) -> None:
    tab = opened(browser, size)
    wide = []
    for path in sorted({*read} - {"index.html"}):
        tab.goto(f"{url}/{path}")
        if tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
    tab.context.close()
    assert wide == []


@pytest.mark.slow
@pytest.mark.parametrize("size", WIDTHS)
def test_the_navigation_leads_to_a_page(browser: Browser, url: str, size: str) -> None:
    """On a narrow screen behind the button, on a wide one beside the text."""
    tab = opened(browser, size)
    tab.goto(f"{url}/{FIRST}")
    if size != "desktop":
        tab.locator("header.mobile-header label[for=__navigation]").click()
    tab.locator(".sidebar-tree").get_by_role("link", name="Limits", exact=True).click()
    tab.wait_for_url("**/docs/limits.html")
    assert tab.locator("h1").inner_text().startswith("Limits")
    tab.context.close()


@pytest.mark.slow
def test_the_root_leads_to_the_index(browser: Browser, url: str) -> None:
    tab = opened(browser, "desktop")
    tab.goto(f"{url}/index.html")
    tab.wait_for_url(f"**/{FIRST}")
    tab.context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_the_colours_follow_the_system_and_can_be_switched(
    browser: Browser, url: str, scheme: str, is_dark: bool
) -> None:
    tab = opened(browser, "desktop", scheme)
    tab.goto(f"{url}/{FIRST}")
    assert (_lightness(tab) < 128) is is_dark
    for _ in range(2):  # from "as the system" through its opposite to the other one
        tab.locator(".content-icon-container .theme-toggle").click()
    seen = {_lightness(tab) < 128}
    tab.locator(".content-icon-container .theme-toggle").click()
    seen.add(_lightness(tab) < 128)
    tab.locator(".content-icon-container .theme-toggle").click()
    seen.add(_lightness(tab) < 128)
    assert seen == {True, False}
    tab.context.close()


def _lightness(tab: Page) -> float:
    """Return the mean of the three colours of the background, 0 to 255."""
    colours = re.findall(r"\d+", str(tab.evaluate("getComputedStyle(document.body).backgroundColor")))
    return sum(map(int, colours[:3])) / 3


@pytest.mark.slow
@pytest.mark.parametrize("size", WIDTHS)
def test_the_anchor_of_a_code_shows_its_entry(browser: Browser, url: str, size: str) -> None:
    tab = opened(browser, size)
    tab.goto(f"{url}/{ERRORS}#40001")
    playwright.expect(tab.locator("h3", has_text="40001").first).to_be_in_viewport(timeout=PATIENCE)
    tab.context.close()


@pytest.mark.slow
def test_the_search_finds_a_code(browser: Browser, url: str) -> None:
    tab = opened(browser, "desktop")
    tab.goto(f"{url}/{SEARCH}?q=OC001")
    tab.locator("#search-results li a[href*='errors.html']").first.wait_for()
    tab.context.close()
