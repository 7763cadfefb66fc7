"""Which class a model's YAML names, and what its hyperparameters may be; read from the source, which is not run.

PyTorch takes seconds to import, and a mistyped number should be answered at once. So the constructor's annotations are
read off the module's syntax tree, and pydantic makes of them what it would make of the class's own.
"""

import ast
import importlib.metadata
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from genbench.errors import UserError
from genbench.wording import in_words, shown

OWN = re.compile(r"genbench\.models\.[a-z0-9_]+\.[A-Za-z0-9_]+")
NOT_THE_CLASS = ("_target_", "title", "sample")  # what else a model's YAML holds
# What an annotation may be made of.
_NAMES: dict[str, Any] = {
    **{"Annotated": Annotated, "Literal": Literal, "Field": Field, "None": None},
    **{kind.__name__: kind for kind in (int, float, bool, str, tuple, list)},
}


@dataclass(frozen=True)
class Hyperparameter:
    """A keyword of a model's constructor."""

    annotation: Any
    default: Any  # Ellipsis if it has none

    @property
    def field(self) -> FieldInfo:
        """Its range and description, as pydantic understands the annotation."""
        return FieldInfo.from_annotation(self.annotation)

    @property
    def meaning(self) -> str:
        """What it is, in the author's words; may be empty."""
        return self.field.description or ""


def entry_points() -> dict[str, str]:
    """The models of installed packages: name -> package.module.Class; nothing is imported."""
    found = importlib.metadata.entry_points(group="genbench.models")
    return {point.name: point.value.replace(":", ".") for point in found}


def config_folders() -> list[Path]:
    """The conf/ folders beside the modules of installed packages' models, with their YAMLs (conf/model/NAME.yaml)."""
    folders = []
    for target in entry_points().values():
        module = _module_file(target.rpartition(".")[0])
        if module is not None and (module.parent / "conf").is_dir():
            folders.append(module.parent / "conf")
    return list(dict.fromkeys(folders))


def module_of(target: str, code: str | None) -> Path:
    """The file of the module that holds a model's class.

    Args:
        target: package.module.Class.
        code: the folder whose modules the user allows to be run, if there is one.

    Raises:
        UserError: nobody has allowed that module to be run, or there is none.
    """
    name, _, _ = target.rpartition(".")
    if OWN.fullmatch(target) or target in entry_points().values():
        path = _module_file(name)
    elif code is not None:
        path = Path(code) / f"{name}.py"
    else:
        raise UserError(
            f"the model is {target}, which is not genbench's: if you trust it, say where its module lies with code=DIR"
        )
    if path is None or not path.is_file():
        raise UserError(f"model._target_={target}: there is no module {name}" + (f" in {code}" if code else ""))
    return path


def hyperparameters(target: str, code: str | None = None) -> dict[str, Hyperparameter]:
    """The keywords of a model's constructor, by name; raises as `module_of`."""
    return _read(module_of(target, code), target.rpartition(".")[2])


def sample_options(target: str, code: str | None = None) -> dict[str, Hyperparameter]:
    """The keywords of a model's `sample`, which can be given without training anew."""
    return _read(module_of(target, code), target.rpartition(".")[2], "sample")


def check_hyperparameters(model: Mapping[str, Any], code: str | None = None) -> None:
    """Refuse what a model's constructor would not take.

    Args:
        model: its YAML: `_target_`, hyperparameters, and perhaps `title` and `sample`.
        code: see `module_of`.

    Raises:
        UserError: a value has the wrong type or lies outside its range, or a keyword is unknown or missing.
    """
    target = str(model.get("_target_"))
    values = {name: value for name, value in model.items() if name not in NOT_THE_CLASS}
    check_values(values, hyperparameters(target, code), "model.")
    if "sample" in model:
        check_values(model["sample"], sample_options(target, code), "model.sample.")


def check_values(values: Mapping[str, Any], known: Mapping[str, Hyperparameter], prefix: str) -> None:
    """Refuse values that do not fit their hyperparameters; see `check_hyperparameters`."""
    definitions: dict[str, Any] = {name: (about.annotation, about.default) for name, about in known.items()}
    strict = ConfigDict(extra="forbid", strict=True, protected_namespaces=())
    schema = create_model("Hyperparameters", __config__=strict, **definitions)
    # A YAML has no tuples.
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        schema.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise UserError(f"{prefix}{name}: there is no such key; there are {', '.join(known)}") from error
        if first["type"] == "missing" and len(first["loc"]) == 1:
            raise UserError(f"{prefix}{name} must be given: add {prefix}{name}=...") from error
        raise UserError(f"{prefix}{name}={shown(values[name])}: must be {in_words(known[name].field)}") from error


def _module_file(name: str) -> Path | None:
    """Where a module lies; its parent packages are imported, it is not."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


@cache
def _read(path: Path, class_name: str, method: str = "__init__") -> dict[str, Hyperparameter]:
    """The keyword-only parameters of a method; those of its base classes where it is theirs, or hands them the rest."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): mend it") from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if class_name not in classes:
        raise UserError(f"{path}: there is no class {class_name}")
    body = classes[class_name].body
    function = next((node for node in body if isinstance(node, ast.FunctionDef) and node.name == method), None)
    found: dict[str, Hyperparameter] = {}
    if function is None or function.args.kwarg is not None:
        imported = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0
            for alias in node.names
        }
        for base in (node.id for node in classes[class_name].bases if isinstance(node, ast.Name)):
            place = path if base in classes else _module_file(imported[base][0]) if base in imported else None
            if place is not None:
                found |= _read(place, base if base in classes else imported[base][1], method)
    if function is not None:
        arguments = function.args
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            value = _evaluated(path, default, default) if default else ...
            found[argument.arg] = Hyperparameter(_evaluated(path, argument.annotation, Any), value)
    return found


def _evaluated(path: Path, node: ast.expr | None, otherwise: Any) -> Any:
    """An annotation or a default made of numbers, texts and _NAMES; anything else is left to the class itself."""
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} if node is not None else {""}
    attributes = node is not None and any(isinstance(part, ast.Attribute | ast.Lambda) for part in ast.walk(node))
    if node is None or attributes or not names <= set(_NAMES):
        return otherwise
    return eval(compile(ast.Expression(node), str(path), "eval"), {"__builtins__": {}}, _NAMES)
