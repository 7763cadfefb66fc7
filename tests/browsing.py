"""A page in a real browser: what goes wrong or out is noticed, and what keeps people out is found."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[dev]'")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: pip install '.[dev]'")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
IN_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium, or CHROMIUM=PATH"),
]
SCREENS = [(1280, "light"), (390, "dark")]


@contextmanager
def launched() -> Iterator[Any]:
    """A browser."""
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any, file: Path, width: int, scheme: str, *, still: bool = False, charts: bool = True
) -> Iterator[Any]:
    """The page, as it is after it was scrolled through if its charts matter; in the end nothing may have gone wrong."""
    motion = "reduce" if still else "no-preference"
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion=motion)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    for chart in page.locator("[data-chart]").all() if charts else ():
        draw(chart)
    yield page
    assert wrong == []
    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
    page.close()


def draw(chart: Any) -> None:
    """Have a chart drawn, as it is when it comes near the screen."""
    chart.scroll_into_view_if_needed()
    chart.locator("svg").first.wait_for()


def violations(page: Any) -> list[str]:
    """What axe-core finds that keeps people out, each with the elements."""
    found = axe.Axe().run(page).response["violations"]
    return [f"{rule['id']}: {rule['help']}: {[node['target'] for node in rule['nodes']][:5]}" for rule in found]
