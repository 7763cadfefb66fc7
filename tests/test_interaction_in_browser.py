"""What the page lets its reader do, by pointer and by keyboard alone: open samples, guess, explore, go through time."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from genbench.cache import feature_cache
from genbench.data.images import ImageShape
from genbench.data.sources import load_data
from genbench.evaluation.calibrations import store
from genbench.evaluation.extractors import load_spaces
from genbench.models.weights import build, save
from genbench.reporting.page import write_report
from genbench.runs.directory import Run
from genbench.runs.frames import write_frame
from genbench.training.callbacks.pictures import frame
from tests.browsing import IN_BROWSER, SCREENS, draw, opened, violations
from tests.reporting.synthetic import SHAPE, config_of, data_record, synthetic_calibration, synthetic_run

pytestmark = IN_BROWSER
FRAMES = 5


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of runs that were scored in feature spaces that are at hand; the VAE took a tenth of the GAN's time."""
    folder = tmp_path_factory.mktemp("interaction")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        data = load_data(config_of("vae", 0).data)
        hashes = {space.name: space.hash for space in load_spaces(data, feature_cache()).available()}
        store(synthetic_calibration(extractors=hashes), feature_cache() / "calibrations")
        for model in ("gan", "vae"):
            run = synthetic_run(folder / "runs", model, 0, extractors=hashes)
            write_vivid_weights(run)
            for i in range(FRAMES):
                images = data.test.images[:64].float() * (i + 1) / FRAMES
                write_frame(run, 12000 * (i + 1), frame(images.to(torch.uint8)))
        write_report(folder / "runs", folder / "out")
    return folder / "out" / "index.html"


def write_vivid_weights(run: Run) -> None:
    """Of a fresh model, enlarged: its samples would all be one grey."""
    config, shape = run.config(), ImageShape(*SHAPE)
    torch.manual_seed(0)
    model = build(config.model, shape)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    with run.whole(run.weights.name) as temporary:
        save(model, config.model, shape, (), temporary)


@pytest.fixture(scope="module")
def bare_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a run whose training images are not at hand, and that kept no samples on its way."""
    folder = tmp_path_factory.mktemp("bare")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        run = synthetic_run(folder / "runs", "vae", 0, weights=True)
        run.write_data(data_record("0" * 64))
        write_report(folder / "runs", folder / "out")
    return folder / "out" / "index.html"


@pytest.fixture(params=SCREENS, ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, file: Path) -> Iterator[Any]:
    with opened(browser, file, *request.param, charts=False) as found:
        yield found


@pytest.fixture
def still(browser: Any, file: Path) -> Iterator[Any]:
    """The page of somebody who wants no motion."""
    with opened(browser, file, 1280, "light", still=True, charts=False) as found:
        yield found


def facts(file: Path) -> Any:
    """What the page knows of its only data set."""
    text = file.read_text(encoding="utf-8").partition('id="interaction">')[2].partition("</script>")[0]
    return json.loads(text)["parts"][0]


def pixels(canvas: Any) -> str:
    return str(canvas.evaluate("(canvas) => canvas.toDataURL()"))


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"))


def test_nobody_is_kept_out_of_what_opens(page: Any) -> None:
    assert violations(page) == []
    page.locator(".cells button").first.click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.locator("#guessing .start").click()
    page.locator("#guessing .round").wait_for()
    assert violations(page) == []
    for _ in range(20):
        page.keyboard.press("r")
    page.locator("canvas.map").first.click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_sample_opens_and_closes_by_keyboard_alone(page: Any, file: Path) -> None:
    looks = facts(file)["exhibits"][0]["samples"]
    page.locator(".cells button").first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
    assert focused(page).startswith(f"sample 10, taken for {looks[9]['class']}, ")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")  # there is nothing further up
    assert focused(page).startswith("sample 2,")
    page.keyboard.press("Enter")
    dialog = page.locator("#sample")
    assert dialog.locator("h3").inner_text() == "Sample 2 of GAN on Digits of scikit-learn"
    text = dialog.inner_text()
    assert f"takes it for {looks[1]['class']} and is {round(100 * looks[1]['certainty'])} % certain" in text
    assert f"lies {looks[1]['ratio']:.2f} times as far" in text
    own, nearest = dialog.locator("canvas").all()
    page.wait_for_function("[...document.querySelectorAll('#sample canvas')].every((c) => c.width < 300)")  # drawn
    assert own.evaluate("(c) => [c.width, c.height]") == nearest.evaluate("(c) => [c.width, c.height]") == [28, 28]
    before = pixels(nearest)
    page.keyboard.press("ArrowRight")
    assert dialog.locator("h3").inner_text().startswith("Sample 3 ")
    assert pixels(nearest) != before or looks[1]["class"] == looks[2]["class"]
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    # Its event comes after it has closed, and after the browser's own choice of where the focus goes.
    page.wait_for_function("() => document.activeElement.getAttribute('aria-label')?.startsWith('sample 3,')")
    assert page.locator(".cells button:focus-visible").count() == 1


def test_the_sample_that_opens_is_the_one_in_the_picture(page: Any) -> None:
    same = """([own, picture]) => {
      const size = [own.width, own.height];
      const canvas = Object.assign(document.createElement("canvas"), { width: size[0], height: size[1] });
      canvas.getContext("2d").drawImage(picture, 2 + 2 * 30, 2 + 1 * 30, ...size, 0, 0, ...size);
      return canvas.toDataURL() === own.toDataURL();
    }"""
    page.locator("figure.samples").nth(1).locator("button").nth(10).click()
    own = page.locator("#sample canvas.own").element_handle()
    picture = page.locator("figure.samples img").nth(1).element_handle()
    assert page.evaluate(same, [own, picture])


def test_samples_are_filtered_by_class_and_by_doubt(page: Any, file: Path) -> None:
    exhibits = facts(file)["exhibits"]
    bar = page.locator(".filter").first

    def left() -> list[int]:
        grids = page.locator("figure.samples").all()
        return [grid.locator("button:not(:disabled)").count() for grid in grids]

    assert left() == [64, 64]
    chosen = exhibits[0]["samples"][0]["class"]
    bar.locator("select").select_option(str(chosen))
    expected = [sum(look["class"] == chosen for look in exhibit["samples"]) for exhibit in exhibits]
    assert left() == expected
    assert bar.locator("output").inner_text() == f"GAN: {expected[0]} of 64; VAE: {expected[1]} of 64"
    bar.locator("select").select_option("")
    bar.locator("input").check()
    assert left() == [sum(look["ambiguous"] for look in exhibit["samples"]) for exhibit in exhibits]


def test_the_blind_test_counts_and_keeps_its_secret(page: Any, file: Path) -> None:
    card = page.locator("#guessing")
    secret = "() => document.getElementById('guessing').outerHTML"
    card.locator("select").select_option(label="VAE on Digits of scikit-learn")
    card.locator(".start").focus()
    page.keyboard.press("Enter")
    shown, html = [], set()
    for i in range(20):
        card.locator(".progress", has_text=f"Image {i + 1} of 20").wait_for()
        shown.append(pixels(card.locator(".round canvas")))
        html.add(re.sub(r"Image \d+ of", "", page.evaluate(secret)))
        page.keyboard.press("g" if i % 2 else "r")
    assert len(set(shown)) == 20
    assert len(html) == 1  # the page is the same whether an image is real or not
    answers = [item.inner_text().strip() for item in card.locator(".answers li").all()]
    right = sum("right" in answer for answer in answers)
    assert sum(answer.startswith("real") for answer in answers) == 10
    assert all(("you said real" in a) == (i % 2 == 0) for i, a in enumerate(answers) if "you said" in a)
    said = card.locator(".said").inner_text()
    assert f"You told {right} of 20 right" in said
    apart = math.floor(100 * facts(file)["exhibits"][1]["told_apart"] + 0.5)
    assert f"a linear classifier tells {apart} % apart; you {right} of 20" in said
    card.locator(".start").click()
    card.locator(".progress", has_text="Image 1 of 20").wait_for()
    assert pixels(card.locator(".round canvas")) not in shown  # another round has other images
    # Nor does the round of another model on the same images show those again whose truth was told.
    card.locator("select").select_option(label="GAN on Digits of scikit-learn")
    card.locator(".start").click()
    for i in range(20):
        card.locator(".progress", has_text=f"Image {i + 1} of 20").wait_for()
        assert pixels(card.locator(".round canvas")) not in shown
        page.keyboard.press("g")


HELD_BACK = """() => {
  const listen = HTMLImageElement.prototype.addEventListener;
  const held = [];
  HTMLImageElement.prototype.addEventListener = function (name, heard) {
    listen.call(this, name, () => held.push(heard));
  };
  window.came = 0;
  window.come = () => { window.came += held.splice(0).map((heard) => heard()).length; return window.came; };
}"""


def test_nobody_is_asked_about_an_image_that_is_not_there_yet(page: Any) -> None:
    """Who answered at once was asked about an empty field, or about the image before."""
    page.evaluate(HELD_BACK)
    card = page.locator("#guessing")
    card.locator(".start").click()
    assert not card.locator(".round").is_visible()
    card.locator("select").select_option(label="VAE on Digits of scikit-learn")  # in the meantime
    page.wait_for_function("() => window.come() === 2")  # the real images and those of the model that was chosen first
    assert not card.locator(".round").is_visible()
    card.locator(".start").click()
    assert not card.locator(".round").is_visible()
    page.wait_for_function("() => window.come() === 3")
    assert card.locator(".progress").inner_text() == "Image 1 of 20"
    assert card.locator(".round canvas").evaluate("(canvas) => canvas.width") == SHAPE[2]


def test_an_image_that_comes_late_covers_no_later_one(page: Any) -> None:
    widths = page.evaluate("""async () => {
      const papers = {};
      const sprite = (width) => {
        const loading = new Promise((come) => { papers[width] = come; });
        return { width, height: width, columns: 1, loading };
      };
      const [early, late, canvas] = [sprite(4), sprite(6), document.createElement("canvas")];
      const orders = [cut(late, 0, canvas), cut(early, 0, canvas)];
      for (const width of [4, 6]) papers[width](document.createElement("canvas"));
      await Promise.all(orders);
      const widths = [canvas.width];
      const order = cut(late, 0, canvas);
      wipe(early, canvas);
      await order;
      return [...widths, canvas.width];
    }""")
    assert widths == [4, 4]


def test_the_plane_is_moved_over_pinned_and_travelled_by_keyboard(page: Any) -> None:
    explorer = page.locator(".explorer.plane").first
    view, output, field = explorer.locator("canvas.view"), explorer.locator("output"), explorer.locator("canvas.map")
    field.focus()
    for key in ("ArrowRight", "Shift+ArrowUp", "Enter", "Shift+ArrowLeft", "Enter"):
        page.keyboard.press(key)
    assert output.inner_text() == "z = (-0.45, 0.50)"
    assert "z = (-0.45" in view.get_attribute("aria-label")
    assert explorer.locator(".pins li").count() == 2
    explorer.locator("input.along").focus()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    assert output.inner_text() == "z = (0.05, 0.50)"
    explorer.locator(".play").click()
    page.wait_for_function("() => document.querySelector('.explorer.plane .along').value === '1'")
    assert output.inner_text() == "z = (-0.45, 0.50)"
    field.focus()
    page.keyboard.press("Delete")
    assert explorer.locator(".pins li").count() == 1
    assert explorer.locator(".play").is_disabled()


def test_the_plane_follows_the_pointer_and_the_sliders_and_shows_test_images(page: Any, file: Path) -> None:
    explorer = page.locator(".explorer.plane").first
    view, output, field = explorer.locator("canvas.view"), explorer.locator("output"), explorer.locator("canvas.map")
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.1 * box["height"])
    assert output.inner_text() not in ("z = (0.00, 0.00)", "")
    close = explorer.locator(".close figcaption")
    assert close.inner_text() == "no test image here"
    part = facts(file)
    points = part["exhibits"][1]["explorer"]["points"]
    x, y = next(point for point in points if max(map(abs, point)) < 2.5)
    size = 21  # images in a row of the plane; the outermost lie at its edges
    places = [((v + 3) / 6 * (size - 1) + 0.5) / size for v in (x, -y)]
    page.mouse.move(box["x"] + places[0] * box["width"], box["y"] + places[1] * box["height"])
    assert close.inner_text().startswith("test image here: ")
    assert [item.inner_text() for item in explorer.locator(".legend li").all()] == part["classes"]
    before = pixels(view)
    explorer.locator("input.x").focus()
    page.keyboard.press("Home")
    assert output.inner_text().startswith("z = (-3.00, ")
    assert pixels(view) != before


def test_the_walk_follows_the_slider(page: Any) -> None:
    explorer = page.locator(".explorer.walk").first
    explorer.scroll_into_view_if_needed()
    start = pixels(explorer.locator("canvas.view"))
    explorer.locator("input.x").focus()
    page.keyboard.press("End")
    assert explorer.locator("output").inner_text().startswith("100 %")
    end = pixels(explorer.locator("canvas.view"))
    page.keyboard.press("ArrowLeft")
    assert len({start, end, pixels(explorer.locator("canvas.view"))}) == 3


def times(page: Any) -> list[str]:
    return [text.inner_text() for text in page.locator(".lapse .when").all()]


def test_models_are_in_step_by_seconds_or_by_images(page: Any) -> None:
    slider = page.locator(".lapse .time input")
    assert times(page) == ["at its end, after 60,000 images (600 s)", "at its end, after 60,000 images (60 s)"]
    last = [pixels(canvas) for canvas in page.locator(".lapse canvas").all()]
    slider.focus()
    for _ in range(95):
        page.keyboard.press("ArrowLeft")
    assert page.locator(".lapse output").inner_text() == "after 30 s"
    assert times(page) == ["first seen after 12,000 images (120 s)", "after 24,000 images (24 s)"]
    assert all(pixels(canvas) != was for canvas, was in zip(page.locator(".lapse canvas").all(), last, strict=True))
    page.locator(".lapse input[value=images]").check()
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(41):
        page.keyboard.press("ArrowRight")
    assert page.locator(".lapse output").inner_text() == "after 24,600 images"
    assert times(page) == ["after 24,000 images (240 s)", "after 24,000 images (24 s)"]


def rule(page: Any, chart: str) -> float | None:
    """Where the cursor lies on a chart, from 0 at its left edge to 1."""
    where = """(chart) => {
      const rule = chart.querySelector(".rule");
      const area = chart.querySelector(".role-frame.root > g > .background").getBoundingClientRect();
      return rule && (rule.getBoundingClientRect().left + 1 - area.left) / area.width;
    }"""
    found = page.locator(f"[id='{chart}']").evaluate(where)
    return None if found is None else float(found)


def test_the_cursor_is_on_the_curves_and_a_click_on_a_curve_sets_it(page: Any) -> None:
    by_seconds, by_images, losses = "optdigits-fcd-seconds", "optdigits-fcd-images", "optdigits-VAE-losses"
    for chart in (by_seconds, by_images, losses):
        draw(page.locator(f"[id='{chart}']"))
    slider = page.locator(".lapse .time input")
    slider.focus()
    for _ in range(95):
        page.keyboard.press("ArrowLeft")
    assert rule(page, by_seconds) == pytest.approx(30 / 600, abs=0.01)
    assert rule(page, by_images) is None  # at 30 seconds the models have seen different numbers of images
    assert rule(page, losses) == pytest.approx(0.5, abs=0.06)  # after 30,000 of 60,000
    chart = page.locator(f"[id='{by_seconds}']")
    draw(chart)
    area = chart.locator(".role-frame.root > g > .background").first.bounding_box()
    page.mouse.click(area["x"] + 0.5 * area["width"], area["y"] + 0.5 * area["height"])
    assert rule(page, by_seconds) == pytest.approx(0.5, abs=0.01)
    assert page.locator(".lapse output").inner_text() == "after 300 s"
    assert times(page)[0] == "after 24,000 images (240 s)"


def test_nothing_moves_unasked_and_play_stops_at_the_end(page: Any) -> None:
    before = times(page)
    page.wait_for_timeout(300)
    assert times(page) == before
    play = page.locator(".lapse .play")
    play.click()
    assert play.inner_text() == "Pause"
    page.wait_for_function("() => Number(document.querySelector('.lapse .time input').value) >= 2")
    play.click()
    assert play.inner_text() == "Play"
    stopped = page.locator(".lapse output").inner_text()
    page.wait_for_timeout(300)
    assert page.locator(".lapse output").inner_text() == stopped
    page.locator(".lapse .time input").focus()
    for key in ("End", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    play.click()
    page.locator(".lapse .play", has_text="Play").wait_for()
    assert page.locator(".lapse output").inner_text() == "after 600 s"
    assert times(page) == before


def test_who_wants_no_motion_goes_step_by_step(still: Any) -> None:
    play = still.locator(".lapse .play")
    assert play.inner_text() == "Next"
    said = []
    for _ in range(4):
        play.click()
        said.append(still.locator(".lapse output").inner_text())
    assert said == ["after 0 s", "after 12 s", "after 24 s", "after 36 s"]
    explorer = still.locator(".explorer.plane").first
    explorer.locator("canvas.map").focus()
    for key in ("Enter", "Shift+ArrowUp", "Enter", "Shift+ArrowRight", "Enter"):
        still.keyboard.press(key)
    assert explorer.locator(".play").inner_text() == "To the next pin"
    said = []
    for _ in range(3):
        explorer.locator(".play").click()
        said.append(explorer.locator("output").inner_text())
    assert said == ["z = (0.00, 0.50)", "z = (0.50, 0.50)", "z = (0.00, 0.00)"]


def test_a_page_without_the_training_images_says_so_and_goes_on(browser: Any, bare_file: Path) -> None:
    with opened(browser, bare_file, 1280, "light") as page:
        page.locator(".cells button").nth(3).click()
        dialog = page.locator("#sample")
        assert dialog.locator("h3").inner_text() == "Sample 4 of VAE on Digits of scikit-learn"
        assert "The training images were not at hand" in dialog.inner_text()
        assert dialog.locator("canvas:visible").count() == 1
        assert violations(page) == []
        page.keyboard.press("Escape")
        assert page.locator(".filter, #blind, a[href='#blind'], .lapse").count() == 0
        assert "There is no time-lapse: these trainings kept no samples" in page.locator("#lapse").inner_text()
        field = page.locator("canvas.map")
        field.focus()
        page.keyboard.press("ArrowRight")
        assert page.locator(".explorer output").inner_text() == "z = (0.05, 0.00)"
        assert page.locator(".close, .legend li").count() == 0


def test_a_key_that_is_held_answers_one_image(page: Any) -> None:
    """A finger that stayed on R for a second answered the whole test."""
    card = page.locator("#guessing")
    card.locator(".start").focus()
    page.keyboard.down("Enter")
    for _ in range(3):
        page.keyboard.down("Enter")  # held: the button to answer with has the focus by now
    page.keyboard.up("Enter")
    card.locator(".progress", has_text="Image 1 of 20").wait_for()
    for key, image in (("r", 2), ("Enter", 3), ("g", 4)):
        for _ in range(5):
            page.keyboard.down(key)
        page.keyboard.up(key)
        assert card.locator(".progress").inner_text() == f"Image {image} of 20"


def test_samples_that_nobody_classified_are_not_counted(browser: Any, file: Path, tmp_path: Path) -> None:
    """They were 0 of 64 ambiguous ones, as of a model whose every sample is clear."""
    text = file.read_text(encoding="utf-8")
    before, start, rest = text.partition('id="interaction">')
    content, end, after = rest.partition("</script>")
    told = json.loads(content)
    exhibit = told["parts"][0]["exhibits"][0]
    exhibit["samples"] = [look | {"class": None, "ambiguous": False, "certainty": None} for look in exhibit["samples"]]
    exhibit |= {"nearest": None, "measured": "", "unseen": "Nobody looked"}
    odd = tmp_path / "odd.html"
    odd.write_text(before + start + json.dumps(told) + end + after, encoding="utf-8")
    with opened(browser, odd, 1280, "light") as page:
        bar = page.locator(".filter").first
        assert bar.locator("output").inner_text() == "GAN: not looked at; VAE: 64 of 64"
        bar.locator("input").check()
        assert bar.locator("output").inner_text().startswith("GAN: not looked at; VAE: ")
        bar.locator("input").uncheck()
        page.locator(".cells button").first.click()
        assert "Nobody looked: there is none to show beside it." in page.locator("#sample").inner_text()


def test_where_no_script_runs_nothing_is_offered_that_does_nothing(browser: Any, file: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(file.as_uri())
    offered = page.locator("main :is(input, select, canvas), main button:not(.sortable *)")
    assert [element for element in offered.all() if element.is_visible()] == []
    assert page.locator("noscript").inner_text().startswith("This browser runs no scripts here")
    assert page.locator("table.answers").is_visible() and page.locator(".chart img").first.is_visible()
    page.close()
