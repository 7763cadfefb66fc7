"""The report's page in a real browser: no errors, no requests, and what can be touched reacts."""

import re
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
    """The answer with its conditions, how good that is, how it looks, an answer to each need; on a desktop whole."""
    card = page.locator("#answer .card", has_text="GAN or VAE?")
    top = card.locator(".headline")
    assert re.search(r"^After 60,000 images seen each, .* with 4 seeds each: take the GAN\.", top.inner_text())
    assert card.locator(".ruler").first.is_visible()
    assert card.locator(".strips img").count() == 3
    last = card.locator(".answers tr").last
    assert "low cost" in last.inner_text()
    page.set_viewport_size({"width": 1440, "height": 900})
    above = page.locator("header").bounding_box()["height"] + 20
    end = last.bounding_box()["y"] + last.bounding_box()["height"]
    assert above + end - card.bounding_box()["y"] < 900


def test_names_on_a_ruler_are_whole_and_cross_no_other(page: Any) -> None:
    card = page.locator("#answer .card", has_text="GAN or VAE?")
    for ruler in card.locator(".ruler:visible").all():
        plot = ruler.locator(".plot").bounding_box()
        boxes = [mark.bounding_box() for mark in ruler.locator(".mark span").all()]
        assert len(boxes) == 5
        assert all(plot["x"] <= box["x"] and box["x"] + box["width"] <= plot["x"] + plot["width"] for box in boxes)
        tops = [box["y"] for box in boxes]
        assert all(later - above >= box["height"] - 1 for above, later, box in zip(tops, tops[1:], boxes, strict=False))
        assert ruler.locator("svg path").count() == 8  # a mark a seed
        shapes = {path.get_attribute("d") for path in ruler.locator("svg path").all()}
        assert len(shapes) == 2  # told apart by more than the colour


def test_paper_shows_every_chart_and_what_is_closed(browser: Any, page_file: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(page_file.as_uri())
    assert page.locator("[data-chart]:not([data-drawn])").count() > 3  # nobody has come there yet
    closed = page.locator("details:not([open])").count()
    assert closed > 5
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    widths = "[...document.querySelectorAll('[data-chart]')].map((chart) => chart.firstElementChild.clientWidth)"
    assert min(page.evaluate(widths)) > 100  # a picture where it was not drawn yet
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"  # though the page was dark
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed
    page.close()


def test_what_scrolls_sideways_says_so_and_its_heading_stays(page: Any) -> None:
    table = page.locator("#scores details[open] .scroll").nth(1)
    wide = table.evaluate("(element) => element.scrollWidth > element.clientWidth + 1")
    assert wide == table.evaluate("(element) => element.classList.contains('wide')")
    assert wide == ("scroll sideways" in table.evaluate("(element) => getComputedStyle(element, '::before').content"))
    assert table.locator("thead th").first.evaluate("(th) => getComputedStyle(th).position") == "sticky"
    first = table.locator("tbody").first.inner_text()
    assert first.startswith("GAN (4 seeds)")  # models before images whose quality is known


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


def test_samples_open_beside_the_nearest_in_pixels_where_the_features_are_not_at_hand(page: Any) -> None:
    page.locator(".cells button").first.click()
    dialog = page.locator("#sample")
    assert "The training image is the nearest in pixels." in dialog.inner_text()
    assert dialog.locator("canvas:visible").count() == 2
    assert page.locator(".filter").count() == 0


def test_charts_change_with_the_colours_of_the_page(page: Any) -> None:
    def colour() -> str:
        text = page.locator("[data-chart] svg text").first
        return str(text.evaluate("(text) => getComputedStyle(text).fill"))

    before = colour()
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme="light" if dark else "dark")
    assert colour() != before


def test_a_page_of_many_settings_fits_and_its_verdicts_open(many: Any) -> None:
    fits = "document.documentElement.scrollWidth <= window.innerWidth"
    assert many.evaluate(fits)
    assert "For varied images best: Flow matching (width 64)" in many.locator("#answer .sentences").inner_text()
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


def test_what_has_no_number_stays_last_in_a_table_of_verdicts(many: Any) -> None:
    """As the script's comment promises; it had no value to sort by, and its dash came first."""
    many.evaluate("document.querySelectorAll('#answer details').forEach((element) => { element.open = true; })")
    tried = 0
    for table in many.locator("#answer table.sortable").all():
        headings = [heading.inner_text() for heading in table.locator("thead th").all()]
        place = headings.index("seeds that would decide")

        def column(table: Any = table, place: int = place) -> list[str]:
            cells = table.locator(f"tbody tr > :nth-child({place + 1})")
            return [str(text) for text in cells.all_inner_texts()]

        known = sorted((text for text in column() if text != "–"), key=int)
        if "–" not in column() or len(set(known)) < 2:
            continue
        for expected in (known, known[::-1]):
            table.locator("thead button").nth(place).click()
            assert column() == expected + ["–"] * (len(column()) - len(known))
        tried += 1
    assert tried
