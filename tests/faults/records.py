"""Runs whose files hold whatever their types allow, and whatever they do not."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from genbench.reporting.page import write_report
from genbench.runs.files import record_text
from genbench.runs.folder import read_folder
from genbench.runs.records import DataRecord, Environment, Record, Scorecard, Status, Summary
from tests.faults.processes import Finding, run
from tests.reporting.synthetic import calibrate_in, synthetic_run
from tests.runs.example import example
from tests.runs.test_reading import FILES, hostile_files, looked_at

TYPED: dict[str, type[Record]] = {
    "status.json": Status,
    "environment.json": Environment,
    "data.json": DataRecord,
    "summary.json": Summary,
    "scores.json": Scorecard,
}
ON_A_PAGE = 250
NASTY = ("<script>alert(1)</script>", "|a|b|\n", "{{7*7}}", "\u202e", "x" * 5000, "`", "\x1b[2J", "../../x", "数", "")


def typed(kind: Any) -> st.SearchStrategy[Any]:
    """Anything that an annotation of a record allows."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated and parts[0] is float:
        return st.floats(0, 1e18) | st.sampled_from([0.0, -0.0, 5e-324, 1e18])
    if origin is Annotated:
        return st.integers(0, 2**63 - 1) | st.sampled_from([0, 1, 2**63 - 1])
    if origin is Literal:
        return st.sampled_from(parts)
    if origin in (Union, UnionType):
        return st.one_of(*map(typed, parts))
    if origin is tuple and parts[-1] is not Ellipsis:
        return st.tuples(*map(typed, parts))
    if origin is tuple:
        return st.lists(typed(parts[0]), max_size=3).map(tuple)
    if origin in (dict, Mapping):
        names = st.sampled_from(("classifier", "random", "pixels", "fcd", "coverage", "nll", "loss", *NASTY))
        return st.dictionaries(names, typed(parts[1]), max_size=4)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {name: typed(field.rebuild_annotation()) for name, field in kind.model_fields.items()}
        return st.builds(kind, **fields)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.sampled_from(NASTY) | st.text(max_size=20).filter(_can_be_written),
        bool: st.booleans(),
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats() | st.sampled_from([0.0, -0.0, 1e308, 5e-324, float("nan"), float("inf")]),
        NoneType: st.none(),
    }
    return plain[kind]


def _can_be_written(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


@st.composite
def typed_files(draw: st.DrawFn) -> tuple[str, str]:
    """A file's name, and a record of its type."""
    name = draw(st.sampled_from(list(TYPED)))
    record: Record = draw(typed(TYPED[name]))
    return name, record_text(record)


def raw_files() -> st.SearchStrategy[tuple[str, str]]:
    """A file's name, and any text."""
    return st.tuples(st.sampled_from(FILES), st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))


def hostile_records(folder: Path, long: bool) -> Finding:
    """Records of every type and none in the files of a run: each is named or taken, and the page is made."""
    wanted = 1000 if long else 20
    drawn: list[list[tuple[str, str]]] = []

    @settings(
        max_examples=wanted, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(typed_files() | typed_files() | hostile_files() | raw_files(), min_size=1, max_size=3))
    def draw(files: list[tuple[str, str]]) -> None:
        drawn.append(files)

    draw()
    failed: list[str] = []
    pages = 0
    sound = example(folder / "sound").path
    with pytest.MonkeyPatch.context() as patch:
        calibrate_in(folder / "cache", patch)
        for first in range(0, len(drawn), ON_A_PAGE):
            runs = folder / "runs"
            for model in ("gan", "vae"):
                for seed in range(2):
                    synthetic_run(runs, model, seed)
            for number, files in enumerate(drawn[first : first + ON_A_PAGE]):
                _make(runs / f"hostile-{number:02}", sound, files)
            failed += [f"{name}: {why}" for name, why in _page(runs, folder / "out").items()]
            pages += 1
            if pages == 1:
                done = run(f"runs={runs}", "evaluation=fast", verb="evaluate", cwd=folder)
                if "Traceback" in done.err or done.code not in (0, 1, 2):
                    failed.append(f"evaluate runs=: exit code {done.code}, {done.last}")
            shutil.rmtree(runs)
    return Finding(len(drawn), failed, f"{pages} pages, each with four sound runs")


def _make(path: Path, sound: Path, files: list[tuple[str, str]]) -> None:
    shutil.copytree(sound, path)
    for name, text in files:
        (path / name).write_text(text, encoding="utf-8", errors="surrogatepass")


def _page(runs: Path, out: Path) -> dict[str, str]:
    """What went wrong with a page, and of which run."""
    wrong = {}
    found = read_folder(runs)
    for record in found:
        try:
            looked_at(record)
        except Exception as error:  # noqa: BLE001  (whatever it is, the row must name it)
            wrong[record.name] = f"{type(error).__name__}: {record.problems + record.notes}"
    why = _made(runs, out)
    if why:
        return wrong | {_culprit(runs, out): why}
    page = (out / "report.md").read_text(encoding="utf-8")
    return wrong | {record.name: "is not named" for record in found if record.problems and record.name not in page}


def _made(runs: Path, out: Path) -> str:
    """Why there is no page; empty if there is one."""
    try:
        write_report(runs, out)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error).splitlines()[:1]}"
    return ""


def _culprit(runs: Path, out: Path) -> str:
    """A run beside which there is no page, with what it holds; the others are taken away, half by half."""
    suspects = sorted(runs.glob("hostile-*"))
    while len(suspects) > 1:
        half = out.with_name("half")
        shutil.rmtree(half, ignore_errors=True)
        others = {path.name for path in suspects[len(suspects) // 2 :]}
        shutil.copytree(runs, half, ignore=lambda _, names, others=others: others & set(names))
        kept = slice(0, len(suspects) // 2) if _made(half, out) else slice(len(suspects) // 2, None)
        gone = [path for path in suspects if path not in suspects[kept]]
        suspects = suspects[kept]
        for path in gone:
            shutil.rmtree(path)
    texts = {file.name: file.read_bytes()[:400] for file in suspects[0].iterdir() if file.is_file()}
    return f"{suspects[0].name} {texts}"
