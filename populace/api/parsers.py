"""Strict JSON (RFC 8259 as narrowed by RFC 7493, I-JSON): what two parsers could read differently is refused."""

import json
import re
from collections.abc import Iterator, Mapping
from math import isinf
from typing import Any, NoReturn

from django.conf import settings
from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from populace.api.problems import Problem

DEPTH_MAX = 64  # objects and arrays in one another
VALUES_MAX = 1 << 19
"""Commas and opening brackets of a body beyond settings.BODY_LIMIT, in texts, too: about what fits into one of 1 MiB.

Eight times as many empty arrays would take hundreds of megabytes, and seconds in which no other thread runs.
"""
unstorable = re.compile("[\0\ud800-\udfff]").search
INT64 = range(-(1 << 63), 1 << 63)
MEDIA = ("application/json", "application/merge-patch+json")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem("duplicate_key")
    return found


def _refuse(_: str = "") -> NoReturn:
    raise Problem("malformed", "The body is not strict JSON.")


# Integers over 4,300 digits are a ValueError of Python's own.
_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse).decode


def body_of(request: HttpRequest, limit: int = settings.BODY_LIMIT) -> bytes:
    """Return the whole body; raises Problem 413 before more than `limit` bytes are read.

    A body without a length (chunked) is read from the server, which ends it, not from Django, which takes it as empty.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length and "HTTP_TRANSFER_ENCODING" in request.META:
        body: bytes = request.META["wsgi.input"].read(limit + 1)
        if len(body) > limit:
            raise Problem("too_large")
        request.body_is_read = True  # type: ignore[attr-defined]  # for the middleware; Django knows of its own reads
        return body
    if length.isdecimal() and int(length) > limit:
        raise Problem("too_large")
    if limit > settings.BODY_LIMIT and not hasattr(request, "_body"):
        request._body = request.read(limit)  # Django's own way has one limit for all paths
    if len(request.body) != int(length or 0):
        raise Problem("malformed", "The body ended before its announced length.")
    return request.body


def check_media(content_type: str, encoding: str) -> None:
    """Raise Problem 415 unless this is plain JSON in UTF-8; a charset parameter may only say so."""
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [part for part in parameters if part and part not in ("charset=utf-8", 'charset="utf-8"')]
    if media not in MEDIA or charsets or encoding.strip().lower() not in ("", "identity"):
        raise Problem("unsupported_media_type")


def decoded(body: bytes) -> dict[str, Any]:
    """Return the object that `body` holds; raises Problem `malformed` or `duplicate_key`."""
    try:
        value = _decode(body.decode())
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        _refuse()
    if not isinstance(value, dict):
        raise Problem("malformed", "The body must be a JSON object.")
    _check(value)
    return value


def _check(value: dict[str, Any]) -> None:
    """Refuse what JSON's grammar allows but we could not store, or not give back as it was."""
    depth, level = 0, [value]
    while nested := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [below for item in nested for below in _below(item)]
        if depth > DEPTH_MAX or not _is_storable(level):
            _refuse()


def _below(item: dict[str, Any] | list[Any]) -> Iterator[Any]:
    yield from item
    if isinstance(item, dict):
        yield from item.values()


def _is_storable(items: list[Any]) -> bool:
    """Tell whether no text holds U+0000 or a lone surrogate, and every number fits a common column."""
    whole = [item for item in items if isinstance(item, int)]
    return (
        unstorable("".join([item for item in items if isinstance(item, str)])) is None
        and min(whole, default=0) in INT64
        and max(whole, default=0) in INT64
        and not any(isinf(item) for item in items if isinstance(item, float))  # 1e400
    )


class StrictJSONParser(BaseParser):
    """The only parser of the API. Both media types mean the same: a merge patch is what PATCH does anyway."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the body's object; `stream` is the HttpRequest itself. Raises Problem 400, 413, 415."""
        check_media(media_type or "", stream.META.get("HTTP_CONTENT_ENCODING", ""))
        view = (parser_context or {}).get("view")
        body = body_of(stream, getattr(view, "body_limit", settings.BODY_LIMIT))
        if len(body) > settings.BODY_LIMIT and sum(map(body.count, (b",", b"[", b"{"))) > VALUES_MAX:
            raise Problem("too_many", f"At most {VALUES_MAX:,} commas and opening brackets.")
        return decoded(body)
