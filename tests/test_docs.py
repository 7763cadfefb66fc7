"""The site builds without a warning, loads nothing from elsewhere, and every link in it leads somewhere."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

from genbench import cli
from tests.conftest import Command

PROJECT = Path(__file__).resolve().parents[1]
PAGES = sorted((PROJECT / "docs").rglob("*.md"))
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """What an HTML page names."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(value for name, value in found.items() if name in ("id", "name"))
        if LOADED.get(tag, "") in found:
            self.loaded.append(found[LOADED[tag]])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, of which the notebooks are not run: test_notebooks.py does that."""
    folder = tmp_path_factory.mktemp("site")
    told = ["--quiet", "--fail-on-warning", "--keep-going", "-D", "nb_execution_mode=off"]
    told += ["--doctree-dir", str(folder / "trees"), "docs", str(folder / "html")]
    words = [sys.executable, "-m", "sphinx", *told]
    built = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=540)
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.mark.slow
def test_every_page_is_there_and_every_link_leads_somewhere(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html")}
    for source in PAGES:
        title = source.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        made = site / source.relative_to(PROJECT / "docs").with_suffix(".html")
        assert made in pages and f"<title>{title}" in unescape(made.read_text(encoding="utf-8")), source
    broken = []
    for path, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else set()
            if not target.exists() or (parts.fragment and unquote(parts.fragment) not in anchors):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    foreign = []
    for path in site.rglob("*.html"):
        foreign += [f"{path.name}: {url}" for url in Page(path).loaded if re.match(r"(https?:)?//", url)]
    for path in site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")]+)", path.read_text(encoding="utf-8"))
        foreign += [f"{path.name}: {url}" for url in found]
    assert foreign == []


@pytest.mark.slow
def test_the_reference_has_every_verb_and_every_word(site: Path) -> None:
    page = (site / "reference" / "command.html").read_text(encoding="utf-8")
    for verb in cli.verb_names():
        assert f'id="{verb}"' in page
    for word in ("model.latent_size", "trainer.max_minutes", "data.deduplicate", "label", "seeds", "objectives"):
        assert f">{word}<" in page
    for model in ("gan", "vae", "vae_prior", "flow", "vaegan"):
        assert f"model={model}" in page
    assert "at least 1 and at most 65536" in page


@pytest.mark.slow
def test_formulas_are_drawn_by_the_browser_itself(site: Path) -> None:
    page = (site / "protocol.html").read_text(encoding="utf-8")
    assert page.count("<math") > 20
    assert "$" not in re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)


def commands() -> Iterator[tuple[str, str]]:
    """Every command that stands in a page, with the page."""
    for page in [*PAGES, PROJECT / "README.md"]:
        for block in re.findall(
            r"^```(?:sh|console)?\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            for line in block.replace("\\\n", " ").splitlines():
                words = re.sub(r"\s#.*", "", line.removeprefix("$ "))
                if words.startswith(("genbench ", "python -m genbench.")) and "errors" not in page.name:
                    yield page.name, words.replace("python -m genbench.", "genbench ")


@pytest.mark.slow
def test_every_command_of_the_pages_can_be_given() -> None:
    found = 0
    for page, line in dict.fromkeys(commands()):
        verb, *words = shlex.split(line)[1:]
        if verb not in cli.verb_names() or "--help" in line or "cvae" in line or "mine" in line:
            continue  # VERB, and models that the pages themselves add
        assert cli.compose(verb, words).configs, f"{page}: {line}"
        found += 1
    assert found > 40


def errors() -> Iterator[tuple[str, str]]:
    """Every command of the page on errors, with what it says."""
    text = (PROJECT / "docs" / "errors.md").read_text(encoding="utf-8")
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        lines = block.splitlines()
        assert len(lines) % 2 == 0
        yield from ((lines[i].removeprefix("$ "), lines[i + 1]) for i in range(0, len(lines), 2))


@pytest.mark.slow
def test_errors_are_said_as_the_page_says(command: Command, tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    for folder, side, most in (("odd", 30, 256), ("dark", 28, 19)):
        (tmp_path / folder).mkdir()
        for i in range(30):
            pixels = drawn.integers(0, most, (side, side), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{i}.png")
    shutil.copy(tmp_path / "odd" / "0.png", tmp_path / "mine.png")
    (tmp_path / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    env = {name: value for name, value in os.environ.items() if name != "GENBENCH_DATA"}
    for line, said in errors():
        done = command(*shlex.split(line), cwd=tmp_path, env=env)
        assert (done.returncode, done.stdout) == (2, ""), line
        assert done.stderr.replace(str(tmp_path), "/home/me") == f"{said}\n"
    assert sorted(tmp_path.rglob("*")) == before
