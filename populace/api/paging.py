"""What all lists share: the query's parameters, signed cursors, and a page put together without decoding it.

A cursor says behind which row a page begins and which way it goes. It is good for one path, one set of parameters
and one caller; `limit`, `fields` and `count` may change on the way. The body is not secret, only signed.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.http import HttpRequest

from populace.api.problems import Fault, Problem
from populace.infra.db.compiled import Row

LIMIT, LIMIT_MAX = 20, 200
"""Rows of a page: unless asked for, and at most."""

SIZES = (20, 50, 100, 200)
"""Rows that statements exist for, each with one more that tells whether there is another page."""

CURSOR_MAX = 3072
"""Characters of a cursor; the longest of ours, behind a last name of 400 four-byte characters, has 2,400."""

PARAMETERS_MAX = 40
SIGNATURE = 32  # bytes of keyed BLAKE2b (RFC 7693), which costs less than HMAC

FREE = frozenset(("cursor", "limit", "fields", "count"))
"""Parameters that say how much is shown, not which rows in which order: a cursor is not bound to them."""

type Key = tuple[str, ...]
"""A row's place in the order: the texts of its key columns. Empty: the end that the walk begins at."""


class Cursor(NamedTuple):
    """Where a page begins: behind the row with this key, in the list's order or against it."""

    holder: str
    key: Key
    backwards: bool


class Asked(NamedTuple):
    """A page that is asked for; made by `asked_of`."""

    path: str
    parameters: Mapping[str, str]
    limit: int
    cursor: Cursor | None

    @property
    def binding(self) -> bytes:
        """Return what its cursors are good for."""
        return _frame(self.path, self.parameters)[0]

    @property
    def rows(self) -> int:
        """Return how many rows its statement reads: the least of SIZES that is enough, and one."""
        return next(size for size in SIZES if size >= self.limit) + 1

    @property
    def key(self) -> Key:
        """Return behind which row the page begins; () for the end that the walk begins at."""
        return self.cursor.key if self.cursor else ()

    @property
    def backwards(self) -> bool:
        """Tell whether the page lies before its cursor."""
        return self.cursor is not None and self.cursor.backwards

    def check_holder(self, user_id: bytes) -> None:
        """Raise Problem `invalid_cursor` unless the cursor was made for this caller, or there is none."""
        if self.cursor is not None and self.cursor.holder != user_id.decode():
            raise Problem("invalid_cursor")


class Page(NamedTuple):
    """Rows as they are shown, and where the pages beside them begin; None where there are none."""

    documents: list[bytes]
    before: Key | None
    after: Key | None


def parameters_of(request: HttpRequest, known: Collection[str]) -> dict[str, str]:
    """Return the query's parameters, each at most once. Raises Problem for what is unknown, doubled or not UTF-8.

    A name of `known` that ends with a dot stands for every name that begins with it.
    """
    query = request.META.get("QUERY_STRING", "")
    try:
        pairs = parse_qsl(
            query if query.isascii() else query.encode("latin-1").decode(),  # bytes as PEP 3333 gives them
            keep_blank_values=True,
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except UnicodeError as error:
        raise Problem("malformed", "The query is not UTF-8.") from error
    except ValueError as error:
        raise Problem("too_many", f"A query has at most {PARAMETERS_MAX} parameters.") from error
    parameters = dict(pairs)
    for name in parameters:
        family, dot, _ = name.partition(".")
        if name not in known and not (dot and family + dot in known):
            raise unknown(name, known)
    if len(parameters) < len(pairs):
        raise refused("invalid", "", "A parameter is given more than once.")
    if any("\0" in value for value in parameters.values()):
        raise refused("invalid", "", "Holds a NUL.")
    return parameters


def unknown(name: str, known: Collection[str]) -> Problem:
    """Return the refusal of a parameter's name, with the one that may have been meant."""
    return refused("unknown_parameter", name, f"There is no such parameter; the nearest is {nearest(name, known)}.")


def nearest(name: str, known: Collection[str]) -> str:
    """Return which of the names that there are may have been meant."""
    return get_close_matches(name[:64], known, 1, cutoff=0.0)[0]


def refused(code: str, name: str, detail: str) -> Problem:
    """Return the refusal of a parameter."""
    return Problem(code, detail, errors=[Fault(f"/{name[:200]}", code, detail)])


def asked_of(path: str, parameters: Mapping[str, str]) -> Asked:
    """Return the page that checked parameters ask for; raises Problem for a limit or a cursor that is none of ours.

    Whom the cursor was made for is not known before the token is read: see `Asked.check_holder`.
    """
    raw = parameters.get("limit", "20")
    limit = int(raw) if raw.isascii() and raw.isdecimal() and len(raw) <= 3 else 0
    if not 1 <= limit <= LIMIT_MAX:
        raise refused("invalid", "limit", f"A number from 1 to {LIMIT_MAX}.")
    text = parameters.get("cursor")
    cursor = None if text is None else opened(text, _frame(path, parameters)[0])
    return Asked(path, parameters, limit, cursor)


def _frame(path: str, parameters: Mapping[str, str]) -> tuple[bytes, str]:
    """Return what cursors of a list are good for, and its path with all parameters, up to the value of the cursor."""
    return _framed(path, tuple([item for item in parameters.items() if item[0] != "cursor"]))


@lru_cache(256)
def _framed(path: str, items: tuple[tuple[str, str], ...]) -> tuple[bytes, str]:
    binding = json.dumps([path, sorted(item for item in items if item[0] not in FREE)])
    return binding.encode(), f"{path}?{urlencode((*items, ('cursor', '')))}"


@lru_cache(8)
def _key(secret: str) -> bytes:
    """Return the key of cursors alone, so that no other signature of ours is one of theirs."""
    return hmac.digest(secret.encode(), b"populace cursor 2", "sha256")


def _signature(secret: str, binding: bytes, body: bytes) -> bytes:
    return blake2b(binding + b"\0" + body, key=_key(secret), digest_size=SIGNATURE).digest()


def signed(cursor: Cursor, binding: bytes) -> str:
    """Return the cursor as URL-safe text."""
    # No text in the database holds a NUL.
    body = "\0".join(("-" if cursor.backwards else "", cursor.holder, *cursor.key)).encode()
    signature = _signature(settings.SECRET_KEY, binding, body)
    return urlsafe_b64encode(signature + body).rstrip(b"=").decode()


def opened(text: str, binding: bytes) -> Cursor:
    """Return the cursor; raises Problem `invalid_cursor` unless we made it, letter by letter, for this binding."""
    if not text.isascii() or len(text) > CURSOR_MAX:
        raise Problem("invalid_cursor")
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise Problem("invalid_cursor") from error
    # Decoding ignores stray letters and the last letter's spare bits.
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise Problem("invalid_cursor")
    signature, body = raw[:SIGNATURE], raw[SIGNATURE:]
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        if hmac.compare_digest(signature, _signature(secret, binding, body)):
            backwards, holder, *key = body.decode().split("\0")
            return Cursor(holder, tuple(key), bool(backwards))
    raise Problem("invalid_cursor")


def page_of(asked: Asked, rows: Sequence[Row], *, ended: Key | None = None) -> Page:
    """Return the page of `rows`, each (document, *key), read in the direction that was asked for.

    More rows than the limit mean that there are more. `ended`: there may be, though no row says so, behind this key.
    An empty page behind a cursor leads back to the end it lies at: what its cursor was made from may be gone.
    """
    shown = rows[: asked.limit]
    far = key_of(shown[-1]) if len(rows) > asked.limit else ended
    near = None if asked.cursor is None else key_of(shown[0]) if shown else ended or ()
    documents = [row[0] or b"" for row in shown]
    return Page(documents[::-1], far, near) if asked.backwards else Page(documents, near, far)


def key_of(row: Row) -> Key:
    """Return the key of a (document, *key)."""
    return tuple([(column or b"").decode() for column in row[1:]])


def body_of(asked: Asked, page: Page, holder: bytes, **members: bytes) -> bytes:
    """Return `{"results": […], "next": …, "previous": …}` and `members`, each finished JSON; joined, never decoded."""
    parts = {"next": _link(asked, page.after, holder, False), "previous": _link(asked, page.before, holder, True)}
    tail = b"".join(b',"%s":%s' % (name.encode(), value) for name, value in (parts | members).items())
    return b'{"results":[' + b",".join(page.documents) + b"]" + tail + b"}"


def _link(asked: Asked, key: Key | None, holder: bytes, backwards: bool) -> bytes:
    """Return the path of another page, with every parameter of this one; `null` where there is none."""
    if key is None:
        return b"null"
    binding, frame = _frame(asked.path, asked.parameters)
    return f'"{frame}{signed(Cursor(holder.decode(), key, backwards), binding)}"'.encode()
