"""Are these the arguments of this function? Asked before it runs: whoever can write to the table could have any run.

The function's signature is the schema. An argument without a type hint may be anything that is JSON.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from inspect import Signature, signature
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from populace.infra.tasks.queue import AnyTask

BYTES = 64 << 10  # of one call's arguments as JSON: large things lie in tables and files, and tasks get their ids


class Unfit(TypeError):
    """These are not the arguments of the function; the text says why, and repeats none of them."""


def check(task: AnyTask, given: Any) -> None:
    """Compare `{"args": […], "kwargs": {…}}` with the task's signature; raises Unfit."""
    if not _is_call(given):
        raise Unfit("no arguments and keyword arguments")
    if len(json.dumps(given, ensure_ascii=False).encode(errors="replace")) > BYTES:
        raise Unfit(f"more than {BYTES} bytes")
    shape, hints = _schema(task.func)
    first = [None] if task.takes_context else []
    try:
        bound = shape.bind(*first, *given["args"], **given["kwargs"])
    except TypeError as error:
        raise Unfit("other arguments than the function takes") from error
    for name, value in list(bound.arguments.items())[len(first) :]:
        if name in hints and not _fits(value, hints[name]):
            raise Unfit(f"{name} is of another type")


def _is_call(given: Any) -> bool:
    return (
        isinstance(given, dict)
        and given.keys() == {"args", "kwargs"}
        and isinstance(given["args"], list)
        and isinstance(given["kwargs"], dict)
    )


@cache
def _schema(function: Callable[..., Any]) -> tuple[Signature, Mapping[str, Any]]:
    return signature(function), get_type_hints(function)


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a JSON value is of the hinted type; what JSON cannot hold (a date, a UUID) fits nothing."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(value == part and type(value) is type(part) for part in parts)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, parts[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, parts[1]) for item in value.values())
    if hint is float:
        return type(value) in (int, float)
    return hint in (str, int, bool, list, dict, NoneType) and type(value) is hint  # True is no int
