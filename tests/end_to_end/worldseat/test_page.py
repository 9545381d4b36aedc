"""The page of WorldSeat in a real Chromium: buy, bursts, a stopped Region, keyboard, accessibility."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from examples.worldseat.regions import HOME, PEER

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")

from examples.worldseat.browser import (  # noqa: E402 - playwright may be missing
    PATIENCE,
    chromium,
    find_chromium,
    open_page,
    run_burst,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page

    from examples.worldseat.local import LocalWorldSeat

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium on PATH; install the package chromium"),
]
AXE = Path(__file__).parents[3] / "node_modules" / "axe-core" / "axe.min.js"
WIDE, PHONE = (1280, 900), (360, 740)
FIRST_PAINT = 300
"""Milliseconds."""
NAMES = ("Aurora DSQL", "AtomicTable", "Replicated table", "Replicated, with transactions")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


class Visit:
    """A visit of the page, which records what must not happen."""

    def __init__(self, browser: Browser, url: str, size: tuple[int, int], scheme: str) -> None:
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        self.context.add_init_script(
            "new PerformanceObserver(list => { for (const e of list.getEntries())"
            " if (!e.hadRecentInput) window.shifted = (window.shifted ?? 0) + e.value; })"
            ".observe({type: 'layout-shift', buffered: true})"
        )
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2].split(":")[0]))
        open_page(self.page, url)

    def _note(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def check(self) -> None:
        """Check that nothing was reported as an error, loaded from elsewhere, or moved."""
        assert self.errors == []
        assert self.hosts == {"127.0.0.1"}
        assert self.page.evaluate("window.shifted ?? 0") < 0.05
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def cell(self, row: str, backend: str) -> Locator:
        """Return a cell of the scoreboard."""
        return self.page.locator(f"#score [data-row={row}] td").nth(NAMES.index(backend))

    def shows(self, backend: str, **numbers: int) -> None:
        """Wait until the scoreboard shows these numbers."""
        for row, number in numbers.items():
            playwright.expect(self.cell(row, backend)).to_have_text(str(number), timeout=PATIENCE)


@pytest.fixture
def url(app: LocalWorldSeat) -> Iterator[str]:
    with app.switch() as switch:
        yield f"{app.urls[HOME]}/#switch={switch}"


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    started = Visit(browser, url, WIDE, "light")
    yield started
    started.context.close()


def says(visit: Visit, text: str) -> None:
    playwright.expect(visit.page.locator("#status")).to_contain_text(text, timeout=PATIENCE)


def reset(visit: Visit) -> None:
    visit.page.click("#reset")
    says(visit, "96 seats are free")


def test_a_seat_is_bought_from_each_region(visit: Visit) -> None:
    reset(visit)
    visit.page.click("#B3")
    says(visit, "Seat B3 is yours, on attempt 1")
    visit.page.check(f"input[value={PEER}]")
    visit.page.click("#B3")
    says(visit, "Seat B3 is sold already")
    visit.page.click("#B4")
    says(visit, "Seat B4 is yours")
    visit.shows("Aurora DSQL", sold=2)
    assert visit.page.get_attribute("#B3", "aria-label") == f"Seat B3, sold to you in {HOME}"
    visit.page.click("#show")
    playwright.expect(visit.page.locator("#ledger tbody tr")).to_have_count(2, timeout=PATIENCE)
    reset(visit)
    visit.shows("Aurora DSQL", sold=0)
    # The browser itself logs the status 409 of a seat that was taken.
    visit.errors = [each for each in visit.errors if "409" not in each]
    visit.check()


@pytest.mark.parametrize("buyers", [8, 24, 48, 60])
def test_a_burst_is_shown_on_each_back_end(visit: Visit, buyers: int) -> None:
    run_burst(visit.page, buyers)
    for backend in ("Aurora DSQL", "AtomicTable"):
        visit.shows(backend, sold=1, oversold=0, told=1, lost=0, buyers=buyers)
    assert int(visit.cell("oversold", "Replicated table").inner_text()) > 0
    assert int(visit.cell("conflicts", "Aurora DSQL").inner_text()) > 0
    assert visit.page.locator("#steps tbody tr").count() == buyers
    assert visit.page.locator("#timeline rect.commit").count() == 1
    assert visit.page.locator("#timeline rect.conflict").count() > 0
    visit.check()


def test_a_region_is_stopped_and_started(visit: Visit) -> None:
    reset(visit)
    button = visit.page.locator(f"#region-{PEER} button")
    button.click()
    says(visit, f"{PEER} is stopped")
    small = visit.page.locator(f"#region-{PEER} small")
    playwright.expect(small).to_have_text("does not answer", timeout=PATIENCE)
    visit.page.click("#C1")
    says(visit, "Seat C1 is yours")
    visit.page.check(f"input[value={PEER}]")
    playwright.expect(visit.page.locator("#error")).to_contain_text("other Region", timeout=PATIENCE)
    button.click()
    says(visit, f"{PEER} is back")
    playwright.expect(small).to_contain_text("agrees", timeout=PATIENCE)
    playwright.expect(visit.page.locator("#error")).to_be_hidden(timeout=PATIENCE)
    visit.shows("Aurora DSQL", sold=1)


def test_both_regions_are_started_again_after_a_reload(visit: Visit, app: LocalWorldSeat) -> None:
    """The switch knows the Regions while no database answers; the page may be a new one, without any memory."""
    try:
        for region in (PEER, HOME):
            visit.page.locator(f"#region-{region} button").click()
            says(visit, f"{region} is stopped")
        visit.page.evaluate("localStorage.clear()")
        visit.page.reload()
        says(visit, "The database does not answer")
        for region in (HOME, PEER):
            button = visit.page.locator(f"#region-{region} button")
            playwright.expect(button).to_have_text("Start", timeout=PATIENCE)
            button.click()
            says(visit, f"{region} is back")
            playwright.expect(button).to_have_text("Stop", timeout=PATIENCE)
        small = visit.page.locator(f"#region-{PEER} small")
        playwright.expect(small).to_contain_text("agrees", timeout=PATIENCE)
        assert visit.page.locator(f"input[value={HOME}]").is_checked(), "the Region of the page"
    finally:
        for region in app.stopped:
            app.start_region(region)


def test_a_burst_goes_on_while_a_region_stops(visit: Visit) -> None:
    reset(visit)
    visit.page.check("#stop")
    run_burst(visit.page, 48)
    visit.shows("Aurora DSQL", sold=1, oversold=0, lost=0)


def test_the_page_is_used_by_keyboard_alone(visit: Visit) -> None:
    reset(visit)
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("document.activeElement.closest('#plan') !== null"):
            break
    for key in ("ArrowRight", "ArrowDown", "End", "Home", "ArrowRight"):
        visit.page.keyboard.press(key)
    assert visit.page.evaluate("document.activeElement.id") == "B2"
    visit.page.keyboard.press("Enter")
    says(visit, "Seat B2 is yours")
    visit.page.keyboard.press("Shift+Tab")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.id") == "B2", "the plan is one tab stop"
    visit.check()


@pytest.mark.parametrize(
    ("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_axe_finds_nothing(browser: Browser, url: str, size: tuple[int, int], scheme: str) -> None:
    visit = Visit(browser, url, size, scheme)
    try:
        run_burst(visit.page, 8)
        visit.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = visit.page.evaluate("axe.run()")
        shown = [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]]
        assert shown == [], json.dumps(shown, indent=1)
        assert len(found["passes"]) > 20
        visit.check()
    finally:
        visit.context.close()


def test_the_first_paint_is_early(browser: Browser, url: str) -> None:
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        pytest.skip("other programs use all processors, so that no time can be measured")
    paints = []
    for _ in range(5):
        visit = Visit(browser, url, WIDE, "light")
        paints.append(
            visit.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        )
        visit.context.close()
    assert min(paints) <= FIRST_PAINT, paints


def test_without_a_switch_the_page_says_so(browser: Browser, app: LocalWorldSeat) -> None:
    visit = Visit(browser, app.urls[PEER], WIDE, "light")
    try:
        assert visit.page.locator("#noswitch").is_visible()
        assert not visit.page.locator("#interrupt").is_visible()
        assert visit.page.locator(".region button").count() == 0
        visit.check()
    finally:
        visit.context.close()
