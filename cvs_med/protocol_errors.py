"""What is wrong with a protocol, in words: the field, its line, what was expected and what was found."""

import reprlib
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Fault: TypeAlias = tuple[str, str]
"""Where, such as `images.size`, and what was expected there."""

_SHORT = reprlib.Repr()
"""Writes a value in a message: aliases of aliases would fill the memory."""
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 200, 200


def located(model: BaseModel, faults: Sequence[Fault]) -> ValidationError:
    """Turn faults that concern several fields into an error that names the place of each."""
    lines = [
        InitErrorDetails(
            type=PydanticCustomError("disagreement", "{sentence}", {"sentence": sentence}),
            loc=tuple(place.split(".")),
            input=reduce(getattr, place.split("."), model),
        )
        for place, sentence in faults
    ]
    return ValidationError.from_exception_data(type(model).__name__, lines)


def explain(
    error: ValidationError, model: type[BaseModel], path: Path, node: yaml.Node | None, changed: set[tuple[str, ...]]
) -> str:
    """List all faults of a file, a line each.

    Args:
        error: what pydantic says.
        model: the whole protocol's.
        path: the file.
        node: its content with its lines.
        changed: fields that an option gave.
    """
    lines = [f"{path}: the protocol is not valid:"]
    for fault in error.errors():
        place = tuple(str(part) for part in fault["loc"])
        by_option = any(place[: len(field)] == field for field in changed)
        origin = "given by an option" if by_option else f"line {_line(node, place)}"
        lines.append(f"  {'.'.join(place) or 'the whole protocol'} ({origin}): {_sentence(fault, place, model)}")
    return "\n".join(lines)


def _sentence(fault: Any, place: tuple[str, ...], model: type[BaseModel]) -> str:  # noqa: ANN401 - pydantic's ErrorDetails is loosely typed
    if fault["type"] == "extra_forbidden":
        return f"expected one of {', '.join(_fields(place[:-1], model))}, found the unknown field {place[-1]!r}."
    if fault["type"] == "missing":
        return "expected this field, found nothing."
    message = str(fault["msg"]).removeprefix("Value error, ")
    found = "" if isinstance(fault["input"], dict | BaseModel) else f" Found {_SHORT.repr(fault['input'])}."
    return f"{message}.{found}"


def _fields(place: tuple[str, ...], model: type[BaseModel]) -> list[str]:
    inner: Any = model
    for part in place:
        inner = inner.model_fields[part].annotation
    return list(inner.model_fields)


def _line(node: yaml.Node | None, place: tuple[str, ...]) -> int:
    """Find the line of a field, or of the innermost section that holds it."""
    line = 1
    for part in place:
        if not isinstance(node, yaml.MappingNode):
            break
        match = next(((key, value) for key, value in node.value if key.value == part), None)
        if match is None:
            break
        line, node = match[0].start_mark.line + 1, match[1]
    return line
