"""What columns of Apache Arrow's tables hold, by their types; `types` is pyarrow.types, which need not be installed."""

from typing import Any

import numpy as np
import numpy.typing as npt


def is_class(types: Any, kind: Any) -> bool:
    """Whether values can be classes: whole numbers or names."""
    kind = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_integer, types.is_boolean, types.is_string, types.is_large_string)
    return any(test(kind) for test in tests)


def _is_bytes(types: Any, kind: Any) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def holds_files(types: Any, kind: Any) -> bool:
    """Whether values are bytes, or Hugging Face's pairs of bytes and a path."""
    if types.is_struct(kind):
        return {"bytes", "path"} >= {each.name for each in kind} and any(
            each.name == "bytes" and _is_bytes(types, each.type) for each in kind
        )
    return _is_bytes(types, kind)


def is_list(types: Any, kind: Any) -> bool:
    """Whether values are lists."""
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_list_of_numbers(types: Any, kind: Any) -> bool:
    """Whether numbers are at the bottom of lists in lists."""
    while is_list(types, kind):
        kind = kind.value_type
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def pixels_of(types: Any, name: str, values: Any) -> npt.NDArray[Any]:
    """An array of lists in lists, all equally long.

    Raises:
        ValueError: they are not, or some are missing.
    """
    shape = [len(values)]
    while is_list(types, values.type):
        if values.null_count:
            raise ValueError(f"rows of {name} are missing")
        fixed = types.is_fixed_size_list(values.type)
        lengths = {values.type.list_size} if fixed else set(np.unique(values.value_lengths().to_numpy()).tolist())
        if len(lengths) > 1:
            raise ValueError(f"the lists in {name} are not equally long, so that they are no images of one size")
        shape.append(int(max(lengths, default=0)))
        values = values.flatten()
    if values.null_count:
        raise ValueError(f"pixels of {name} are missing")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(shape)
