"""Exports: any list of people that is served, as CSV, JSON Lines or a workbook.

The list is walked in steps. Some of them make a part, a file in the storage; the chunk that follows names it in the
job's position. So whoever is killed has lost a part at most, and whoever goes on does so behind the last one that
counts. Parts of CSV and JSON Lines are the result as they are, one after another.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple
from uuid import uuid4

from populace.bulk.kinds import KINDS, JobRefused, Kind
from populace.bulk.models import Job, JobFile
from populace.bulk.reads import PARTS
from populace.bulk.running import Running
from populace.bulk.walks import Walk
from populace.bulk.workbook import ROWS_MAX, write_workbook
from populace.infra.db.retry import atomic
from populace.infra.storage import remove_all, storage
from populace.users.counts import count
from populace.users.documents import USER_FIELDS
from populace.users.errors import Invalid, Refused
from populace.users.lists import PARAMETERS, Listing, listing_of
from populace.users.pages import Key
from populace.users.querysets import ATTRIBUTES, READ

FORMATS = {
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Each with its media type."""

MEMBERS = ("format", "filter", "order", "fields")
FILTERS = tuple(name for name in PARAMETERS if name != "order")

DRAFTS = "drafts"
"""Member of the position that names the parts which the result is made of."""

PART = 10
"""Steps of a part: some 10 MB, and less than a second's work."""


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an export that is asked for; raises Invalid or Refused about the member at fault."""
    for name in body:
        if name not in MEMBERS:
            raise Invalid("unknown_field", f"There is no such member; there are {', '.join(MEMBERS)}.", name[:200])
    options = {
        "format": _format(body.get("format")),
        "filter": _filter(body.get("filter", {})),
        "fields": _fields(body.get("fields", list(USER_FIELDS))),
    }
    if "order" in body:
        options["order"] = _text(body["order"], "order")
    listing(options)
    return options


def listing(options: Mapping[str, Any]) -> Listing:
    """Return the list; raises Refused, which names members of the body."""
    order = {"order": options["order"]} if "order" in options else {}
    try:
        return listing_of(options["filter"] | order)
    except Refused as refused:
        name = refused.parameter
        raise Refused(refused.code, name if name == "order" else f"filter/{name}", refused.detail) from None


def told(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the log says of an export: its filters by name, for their values may be somebody's."""
    return {
        "format": options["format"],
        "filters": sorted(options["filter"]),
        "order": options.get("order", ""),
        "fields": options["fields"],
    }


def _format(given: Any) -> str:
    if given not in tuple(FORMATS):  # a list is in no dict
        raise Invalid("invalid_choice", f"One of {', '.join(FORMATS)}.", "format")
    return str(given)


def _filter(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise Invalid("invalid", "Must be an object.", "filter")
    for name, value in given.items():
        if name not in FILTERS and not name.startswith(ATTRIBUTES):
            served = ", ".join(f"{name}NAME" if name == ATTRIBUTES else name for name in FILTERS)
            raise Invalid("unknown_field", f"There is no such filter; there are {served}.", f"filter/{name[:200]}")
        _text(value, f"filter/{name[:200]}")
    return dict(given)


def _fields(given: Any) -> list[str]:
    if not isinstance(given, list) or not given:
        raise Invalid("invalid", "Must be a list of fields.", "fields")
    for at, name in enumerate(given):
        if name not in USER_FIELDS:
            raise Invalid(
                "invalid_choice", f"There is no such field; there are {', '.join(USER_FIELDS)}.", f"fields/{at}"
            )
    return [name for name in USER_FIELDS if name in given]  # in the contract's order, each once


def _text(given: Any, name: str) -> str:
    if not isinstance(given, str):
        raise Invalid("invalid", "Must be text, written as in the query of a list.", name)
    return given


def run(running: Running) -> dict[str, Any]:
    """Write the list to parts, and those to the result. Raises JobRefused."""
    options = running.options
    try:
        people = listing(options)
    except Refused as refused:
        raise JobRefused(refused.code, refused.detail) from None
    is_csv, names = options["format"] == "csv", options["fields"]
    walk = Walk.of_fields(people, names, csv=is_csv)
    head = ",".join(names).encode() + b"\n" if is_csv else b""
    called = DRAFTS if options["format"] == "xlsx" else PARTS
    expected = 1 if people.identified else count("estimate", running.by, people.filters, people.words)
    while (key := running.position.get("key", ())) is not None:
        parts: list[str] = running.position.get(called, [])
        part = _write(running, walk, tuple(key), len(parts), b"" if parts else head)
        done, over = running.job.done + part.rows, part.key is None
        if options["format"] == "xlsx" and done > ROWS_MAX:
            raise JobRefused("too_many", f"A workbook has at most {ROWS_MAX:,} rows: take csv or jsonl, or a filter.")
        size = running.position.get("size", 0) + part.size
        with running.chunk() as chunk:
            chunk.done, chunk.total = part.rows, done if over else max(expected, done + 1)
            chunk.position = {"key": part.key, called: [*parts, part.name], "size": size}
    _finish(running)
    return {"rows": running.job.done}


class Part(NamedTuple):
    """A part that has been written."""

    name: str
    size: int  # bytes
    rows: int
    key: Key | None  # where the next one begins


def _write(running: Running, walk: Walk, key: Key, number: int, head: bytes) -> Part:
    """Write a part to the storage, under a name of its own: whoever wrote here before us may still be at it."""
    path, rows, behind = running.folder / "part", 0, key
    with path.open("wb") as file:
        file.write(head)
        for _ in range(PART):
            lines, going_on = walk.step(behind)
            file.writelines((b"\n".join(lines), b"\n" if lines else b""))
            rows += len(lines)
            if going_on is None:
                break
            behind = going_on
    name = f"part-{number:05}-{uuid4().hex[:12]}"
    storage().put(f"{running.job.folder}/{name}", path)
    return Part(name, path.stat().st_size, rows, going_on)


def _finish(running: Running) -> None:
    """Have the parts be the result, or make a workbook of them; remove what is not part of it."""
    job, ending, size = running.job, running.options["format"], running.position["size"]
    result = {"filename": f"people-{job.created_at:%Y%m%d}.{ending}", "content_type": FORMATS[ending]}
    if ending != "xlsx":
        running.finish_parts(rows=job.done, size=size, **result)
    elif not JobFile.objects.filter(job_id=job.id, name=JobFile.RESULT).exists():  # or its drafts may be gone by now
        path = running.folder / "workbook"
        files = (storage().blocks(f"{job.folder}/{name}") for name in running.position[DRAFTS])
        write_workbook(
            path, running.options["fields"], lines_of(chain.from_iterable(files)), alive=lambda: _alive(running)
        )
        running.finish_file(path, rows=job.done, **result)
    wanted = (JobFile.RESULT, *running.position.get(PARTS, ()))
    remove_all(f"{job.folder}/", but=[f"{job.folder}/{name}" for name in wanted])


def _alive(running: Running) -> None:
    """Renew the lease of work that cannot rest half way. Raises Cancelled, JobRefused, Lost.

    No progress: nothing of it is kept, so what fails near its end must run out of tries.
    """
    with atomic(Job):
        running.keep()
        running.look()


def lines_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file that comes in blocks, without their ends."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from lines


KINDS["export"] = Kind(run=run, permission=READ)
