"""The report's page in a real browser: no errors, no requests, and what can be touched reacts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genbench.reporting.page import write_report
from tests.browsing import IN_BROWSER, SCREENS, opened, violations
from tests.reporting.synthetic import CODE, calibrate_in, synthetic_run, three_models

pytestmark = IN_BROWSER
HOSTILE = "<img src=x onerror=alert(1)>"
HOSTILE_TEXT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    for seed in range(4):
        synthetic_run(folder / "runs", "gan", seed, better=0.5, weights=seed == 0)
        synthetic_run(folder / "runs", "vae", seed, weights=seed == 0)
    synthetic_run(folder / "runs", "vae", 9, name=HOSTILE).set_status("failed", HOSTILE_TEXT)
    hostile_data = synthetic_run(folder / "runs", "vae", 10)
    hostile_data.write_scorecard(hostile_data.scorecard().model_copy(update={"data": HOSTILE_TEXT}))
    return written(folder)


@pytest.fixture(scope="module")
def many_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models of several settings each."""
    folder = tmp_path_factory.mktemp("many")
    three_models(folder / "runs")
    return written(folder, str(CODE))


def written(folder: Path, code: str | None = None) -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        calibrate_in(folder, monkeypatch)
        write_report(folder / "runs", folder / "out", code)
    return folder / "out" / "index.html"


@pytest.fixture(params=SCREENS, ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, page_file: Path) -> Iterator[Any]:
    with opened(browser, page_file, *request.param) as found:
        yield found


@pytest.fixture(params=SCREENS, ids=["desktop", "phone"])
def many(request: pytest.FixtureRequest, browser: Any, many_file: Path) -> Iterator[Any]:
    with opened(browser, many_file, *request.param) as found:
        yield found


def test_every_chart_is_drawn_and_named(page: Any) -> None:
    charts = page.locator("[data-chart]")
    assert charts.count() >= 8
    for chart in charts.all():
        label = chart.get_attribute("aria-label")
        assert label and len(label) > 20


def test_nothing_is_wider_than_the_screen_and_every_picture_has_a_text(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("[...document.images].every((image) => image.alt.length > 10)")
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("document.querySelectorAll('h1').length") == 1


def test_nobody_is_kept_out(page: Any) -> None:
    assert violations(page) == []


def test_a_hostile_name_is_text(page: Any) -> None:
    text = page.inner_text("body")
    assert HOSTILE in text
    assert f"failed: {HOSTILE_TEXT}" in text
    assert page.evaluate("[...document.scripts].every((script) => script.textContent.trim() !== 'alert(1)')")
    assert page.evaluate("document.querySelector('img[src=x]')") is None


def test_the_first_screen_has_the_answer(page: Any) -> None:
    top = page.locator("#answer li").first
    assert "Take the GAN." in top.inner_text()
    assert top.bounding_box()["y"] < 900


def test_no_answer_is_broken_within_a_word(page: Any) -> None:
    tags = page.locator("#answer .answers .tag").all()
    assert tags
    line = page.locator("header .tag").first.bounding_box()["height"]
    assert [tag.inner_text() for tag in tags if tag.bounding_box()["height"] >= 1.5 * line] == []


def test_a_heading_sorts_by_click_and_by_keyboard(page: Any) -> None:
    table = page.locator("details[open] table.sortable").first
    heading = table.locator("th").nth(1)
    body = table.locator("tbody.models")

    def column() -> list[str]:
        return [row.locator("td").first.inner_text() for row in body.locator("tr").all()]

    before = column()
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    ascending = column()
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column() == ascending[::-1]
    assert sorted(before) == sorted(ascending)


def test_charts_change_with_the_colours_of_the_page(page: Any) -> None:
    def colour() -> str:
        return str(page.locator("[data-chart] svg text").first.get_attribute("fill"))

    before = colour()
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme="light" if dark else "dark")
    page.wait_for_function(
        "(old) => document.querySelector('[data-chart] svg text').getAttribute('fill') !== old", arg=before
    )
    assert colour() != before


def test_a_page_of_many_settings_fits_and_its_verdicts_open(many: Any) -> None:
    fits = "document.documentElement.scrollWidth <= window.innerWidth"
    assert many.evaluate(fits)
    assert "More varied images? Best: Flow matching (width 64)" in many.locator("#answer li").first.inner_text()
    many.evaluate("document.querySelectorAll('#answer details').forEach((element) => { element.open = true; })")
    assert many.locator("#answer details.pair").count() == 21
    assert "Flow matching (width 64)" in many.locator("#answer details.pair").first.inner_text()
    assert many.evaluate(fits)


def test_no_two_contenders_of_a_chart_read_alike(many: Any) -> None:
    chart = many.locator("[data-chart$='fcd-seeds']").first
    chart.scroll_into_view_if_needed()
    texts = chart.locator("svg .role-axis-label text").all()
    read = [text.evaluate("(text) => [...text.childNodes].map((node) => node.textContent).join(' ')") for text in texts]
    settings = [label for label in read if label.startswith(("GAN", "VAE", "Flow"))]
    assert len(settings) == 7
    assert len(set(settings)) == 7
    assert not [label for label in settings if "…" in label]
