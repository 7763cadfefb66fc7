"""The site's settings: `make docs` builds it with Sphinx into site/html, of Markdown that GitHub shows as well.

What the code knows is taken from it: the API from docstrings, the command's words from the typed configs.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

from genbench import __version__, cli
from genbench.command.helping import Words, words_of
from genbench.wording import shown

project = "genbench"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "genbench"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False  # it would be fetched, which a page that is a file may not
html_show_sphinx = False
html_show_copyright = False
html_math_renderer = "mathml"  # drawn by the browser: nothing is loaded, and it works from a file
exclude_patterns = ["_static"]
smartquotes = False

myst_enable_extensions = ["dollarmath"]  # as GitHub has it
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # pages that genbench writes go from one level to the next but one

default_role = "literal"  # docstrings have `code` as Markdown has it
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the hyperparameters' ranges stand in the command's reference
autodoc_class_signature = "separated"

nb_execution_mode = "cache"  # again only where a notebook has changed
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_ipywidgets_js: dict[str, Any] = {}  # it would be loaded from elsewhere


def setup(app: Sphinx) -> None:
    """What Sphinx is told beside its settings."""
    app.add_html_math_renderer("mathml", (_inline_formula, None), (_formula, None))
    app.connect("source-read", _write_reference)
    app.connect("autodoc-process-docstring", _keep_plain, priority=1)


def _inline_formula(translator: Any, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _formula(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def _keep_plain(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with `code`: a star or a bar in them is one."""
    for i, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)
        lines[i] = "".join(part if part.startswith("`") else re.sub(r"([*|])", r"\\\1", part) for part in parts)


def _write_reference(app: Sphinx, page: str, source: list[str]) -> None:
    if page == "reference/command":
        source[0] = source[0].replace("<!-- verbs -->", "\n".join(_verbs()))


def _verbs() -> Iterator[str]:
    """What `genbench VERB --help` says of every verb."""
    for verb in cli.verb_names():
        module = cli.module_of(verb)
        schema = cli.schema_of(module)
        first, _, rest = (inspect.getdoc(module) or "").partition("\n\n")
        yield f"\n## {verb}\n\n{first}\n"
        commands = [line for line in rest.splitlines() if line.startswith("genbench ")]
        if commands:
            yield "\n".join(["```sh", *commands, "```\n"])
        yield from (f"{line}\n" for line in rest.splitlines() if line and not line.startswith("genbench "))
        words = words_of(verb, schema)
        yield from _tables(words, "model." if verb == "train" else "")
        if verb == "train":
            for model, comment in words.choices["model"].items():
                yield f"\n### model={model}\n\n{comment}\n"
                chosen = words_of(verb, schema, [f"model={model}"]).values
                yield from _table(("word", "default", "what it is"), [row for row in chosen if row[0][:6] == "model."])


def _tables(words: Words, but: str) -> Iterator[str]:
    if words.choices:
        options = [(group, *each) for group, found in words.choices.items() for each in found.items()]
        yield from _table(("choice", "what it is"), [(f"{group}={option}", what) for group, option, what in options])
    yield from _table(
        ("word", "default", "what it is"),
        [row for row in words.values if not but or not row[0].startswith(but)],
    )


def _table(head: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    """Words and values as code, what they are in the last column as text."""
    yield f"| {' | '.join(head)} |"
    yield "| --- " * len(head) + "|"
    for *words, text in rows:
        shorts = ["" if word == "???" else shown(word) for word in words]  # ???: must be given
        cells = [f"`{short}`" if short else "" for short in shorts]
        cells.append(re.sub(r"([|*_<$])", r"\\\1", text))
        yield f"| {' | '.join(cells)} |"
    yield ""
