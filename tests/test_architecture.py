"""The shape of the code: imports run downwards, files and functions are short, one place knows a run's files."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import genbench

SOURCE = Path(genbench.__file__).parent
# From the ground up: a module may import from its own layer and from those before it.
LAYERS = [
    (
        *("errors", "interruption", "distributed", "cache", "console", "progress", "places", "wording"),
        *("cores", "memory", "__init__"),
    ),
    ("config",),
    ("device",),
    ("data",),
    ("models",),
    ("runs",),
    ("evaluation",),
    ("training",),
    ("comparison",),
    ("reporting",),
    ("command",),
    ("searching",),
    ("verbs",),
    ("cli", "api", "start", "__main__", "train", "sample", "evaluate", "calibrate", "report", "search", "export"),
]
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 350, 50
# Where a lower layer reads off a higher one without importing its code at start: name each, and why.
EXCEPTIONS: dict[tuple[str, str], str] = {}
# Files of a run that nobody but runs/ may name.
OF_A_RUN = {
    *("config.yaml", "status.json", "data.json", "environment.json", "summary.json", "scores.json"),
    *("metrics.csv", "timing.csv", "train.log"),
}


@cache
def modules() -> list[tuple[str, Path, ast.Module]]:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found.append((".".join(parts), path, ast.parse(path.read_text(encoding="utf-8"))))
    return found


@cache
def imports(tree: ast.Module) -> list[str]:
    """What of genbench a module imports, wherever in it; what only a type checker sees as well."""
    return list(_imports(tree))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.removeprefix("genbench.") for name in node.names if name.name.startswith("genbench."))
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("genbench"):
            inside = node.module.removeprefix("genbench").removeprefix(".")
            yield from ([inside] if inside else [name.name for name in node.names if name.name != "__version__"])


def layer(module: str) -> int:
    top = module.split(".")[0]
    (found,) = [i for i, names in enumerate(LAYERS) if top in names]
    return found


def test_imports_run_downwards() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, _, tree in modules()
        for other in imports(tree)
        if layer(other) > layer(name) and (name, other) not in EXCEPTIONS and not name.endswith("__init__")
    ]
    assert wrong == []


def test_there_is_no_circle_of_imports() -> None:
    known = {name.removesuffix(".__init__") for name, _, _ in modules()}
    graph = {
        name.removesuffix(".__init__"): {
            other for other in imports(tree) if other in known and other != name.removesuffix(".__init__")
        }
        for name, _, tree in modules()
        if not name.endswith("__init__")
    }
    while True:  # leaves fall until nothing is left but circles
        leaves = {name for name, others in graph.items() if not others & set(graph)}
        if not leaves:
            break
        graph = {name: others for name, others in graph.items() if name not in leaves}
    assert {name: sorted(others & set(graph)) for name, others in graph.items()} == {}


def test_training_reports_nothing_and_evaluation_draws_nothing() -> None:
    for name, _, tree in modules():
        top = name.split(".")[0]
        names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        if top == "training":
            assert not any(other.startswith("reporting") for other in imports(tree)), name
        if top in ("evaluation", "comparison"):
            assert not any(word in other for other in names for word in ("matplotlib", "PIL", "altair")), name
        if top == "comparison":
            assert not any(other.split(".")[0] in ("torch", "jinja2") for other in names), name


def test_files_and_functions_are_short() -> None:
    long = []
    for name, path, tree in modules():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES:
            long.append(f"{name}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MOST_LINES_OF_A_FUNCTION:
                    long.append(f"{name}.{node.name}: {length} lines")
    assert long == []


def test_nothing_is_guarded_by_assert() -> None:
    """What a person or a file can cause is checked under `python -O` as well."""
    found = [
        f"{name}:{node.lineno}"
        for name, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_no_process_that_is_started_takes_modules_from_the_current_folder() -> None:
    """python -c and python -m look for them there first: anybody's random.py would be run."""
    started = [
        (name, ast.unparse(node))
        for name, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.List) and node.elts and ast.unparse(node.elts[0]) == "sys.executable"
    ]
    assert len(started) >= 3
    assert [name for name, words in started if not words.startswith("[sys.executable, '-P', ")] == []


def test_nobody_but_runs_opens_a_runs_files() -> None:
    opened = []
    for name, _, tree in modules():
        if name.split(".")[0] == "runs":
            continue
        for node in ast.walk(tree):
            joined = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)  # folder / "name"
            last = node.right if isinstance(node, ast.BinOp) and joined else None
            if isinstance(last, ast.Constant) and last.value in OF_A_RUN:
                opened.append(f"{name}: {last.value}")
    assert opened == []


def test_nobody_splits_a_score_from_its_space() -> None:
    for name, _, tree in modules():
        if name.split(".")[0] not in ("evaluation", "training", "reporting", "searching"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "split" in node.func.attr:
                assert not any(isinstance(arg, ast.Constant) and arg.value == "." for arg in node.args), name
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "partition" in node.func.attr:
                assert not any(isinstance(arg, ast.Constant) and arg.value == "." for arg in node.args), name


@pytest.mark.parametrize("name", ["gan", "vae"])
def test_a_configs_class_lies_where_its_name_says(name: str) -> None:
    assert (SOURCE / "models" / f"{name}.py").is_file()
