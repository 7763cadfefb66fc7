"""What a value may be, and what is wrong with one, in a person's words; and values as words of a command."""

import difflib
import re
import types
from collections.abc import Iterable, Sequence
from shlex import quote
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from genbench.errors import UserError

Parsed = TypeVar("Parsed", bound=BaseModel)
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_LONG = 200  # characters
_PLAIN = re.compile(r"[\w./@%+-]+", re.ASCII)
_OTHER_KIND = re.compile(r"null|true|false|[+-]?(inf|nan|[._]*\d[\d._]*(e[+-]?[\d_]+)?)", re.ASCII | re.IGNORECASE)
_OUT_OF_RANGE = {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"}


def in_words(field: FieldInfo) -> str:
    """The values that a field takes: "a whole number at least 1 and at most 65536 or null"."""
    kind, optional = _without_none(field.annotation)
    limits = range_in_words(field)
    words = " ".join(filter(None, (_kind_in_words(kind), limits)))
    return words + (" or null" if optional else "")


def range_in_words(field: FieldInfo) -> str:
    """ "at least 1 and at most 65536", from a field's bounds; empty without any."""
    found = [
        f"{word} {getattr(bound, sign):.15g}"
        for sign, word in _BOUNDS.items()
        for bound in field.metadata
        if getattr(bound, sign, None) is not None
    ]
    return " and ".join(found)


def parse(schema: type[Parsed], content: Any) -> Parsed:
    """Plain data as the schema's model.

    Raises:
        UserError: a value has the wrong type or lies outside its range, or a key is missing or unknown; in one line.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise UserError(_one_line(error, schema)) from error


def counted(number: int, noun: str) -> str:
    """1 image, 2,000 images."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shown(value: Any) -> str:
    """A value as one writes it in YAML (null for None, true for True), of a long one the beginning."""
    text = written(value)
    return text if len(text) <= _LONG else text[:_LONG] + "..."


def written(value: Any) -> str:
    """A value as one writes it in YAML, and as a word of a command takes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}: {written(item)}' for key, item in value.items())}}}"
    return str(value)


def word(key: str, value: Any) -> str:
    """A word of a command line, quoted where the shell or Hydra would read something else."""
    return quote(f"{key}={_for_hydra(value)}")


def nearest(given: str, options: Iterable[str]) -> str:
    """ "; did you mean gan?", or nothing where no option is near.

    A key is often right but for its group (batch_size for data.batch_size), so the last parts are compared as well.
    """
    options = [option for option in options if option != given]
    by_leaf = {option.rpartition(".")[2]: option for option in reversed(options)}
    close = difflib.get_close_matches(given, options, n=1, cutoff=0.6)
    close = close or [by_leaf[leaf] for leaf in difflib.get_close_matches(given.rpartition(".")[2], by_leaf, n=1)]
    return f"; did you mean {close[0]}?" if close else ""


def _for_hydra(value: Any) -> str:
    """A value as Hydra reads it, texts in lists as well: by their letters alone 2024 and null would be none."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_for_hydra, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}: {_for_hydra(item)}' for key, item in value.items())}}}"
    if not isinstance(value, str):
        return written(value)
    if _PLAIN.fullmatch(value) and not _OTHER_KIND.fullmatch(value):
        return value
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)  # or it would be looked up
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", escaped)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"'{escaped}'"


def field_at(schema: type[BaseModel], path: Sequence[str | int]) -> FieldInfo | None:
    """The field that a path of names leads to, or the last one on the way that has no fields of its own."""
    found: FieldInfo | None = None
    inner: Any = schema
    for name in path:
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        found = inner.model_fields.get(str(name))
        inner = None if found is None else _without_none(found.annotation)[0]
    return found


def _one_line(error: ValidationError, schema: type[BaseModel]) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "config"
    if first["type"] == "missing":
        return f"{key} must be given: add {key}=..."
    if first["type"] == "extra_forbidden":
        return f"{key}: there is no such key"
    said = f"{key}={shown(first['input'])}: must be "
    if first["type"] == "value_error":  # a validator of ours: its text is what the value must be
        return said + str(first["ctx"]["error"])
    field = field_at(schema, first["loc"])
    if field is None:
        return said + "a group of values"
    kind, _ = _without_none(field.annotation)
    if first["type"] in _OUT_OF_RANGE and range_in_words(field):
        return said + range_in_words(field)
    if get_origin(kind) is Literal:
        choices = [str(choice) for choice in get_args(kind)]
        return said + f"one of {', '.join(choices)}{nearest(str(first['input']), choices)}"
    return said + in_words(field)


def _kind_in_words(kind: Any) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_kind_in_words(inner) for inner in get_args(kind) if inner is not type(None))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is list:
        return "a list [a, b] of " + {str: "texts", int: "whole numbers"}.get(get_args(kind)[0], "numbers")
    if get_origin(kind) is tuple:
        # [a, b] of two numbers, each in the range that stands inside.
        inner = FieldInfo.from_annotation(get_args(kind)[0])
        letters = ", ".join("abcdefgh"[: len(get_args(kind))])
        count = {1: "one number", 2: "two numbers", 3: "three numbers"}.get(len(get_args(kind)), "numbers")
        return f"{count} [{letters}], each {range_in_words(inner)}".strip().removesuffix(", each")
    return _KINDS.get(kind, "a group of values")


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """int, True of int | None."""
    if get_origin(annotation) in (Union, types.UnionType):
        others = [kind for kind in get_args(annotation) if kind is not type(None)]
        only = get_args(others[0])[0] if get_origin(others[0]) is Annotated else others[0]  # without its validator
        return (only if len(others) == 1 else annotation), len(others) < len(get_args(annotation))
    return annotation, False
