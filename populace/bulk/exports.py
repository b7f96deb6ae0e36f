"""Exports: any list that is served of people, groups or events, as CSV, JSON Lines or a workbook.

The list is walked in steps. Some of them make a part, a file in the storage; the chunk that follows names it in the
job's position. So whoever is killed has lost a part at most, and whoever goes on does so behind the last one that
counts. Parts of CSV and JSON Lines are the result as they are, one after another.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from time import monotonic
from typing import Any, NamedTuple
from uuid import uuid4

from populace.bulk.exported import EXPORTED, Exported, Steps, exported_of
from populace.bulk.kinds import KINDS, JobRefused, Kind
from populace.bulk.models import Job, JobFile
from populace.bulk.reads import PARTS
from populace.bulk.running import Running
from populace.bulk.workbook import ROWS_MAX, write_workbook
from populace.infra.db.retry import atomic
from populace.infra.storage import remove_all, storage
from populace.users.errors import Invalid, Refused
from populace.users.pages import Key
from populace.users.querysets import READ

FORMATS = {
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Each with its media type."""

MEMBERS = ("list", "format", "filter", "order", "fields")

DRAFTS = "drafts"
"""Member of the position that names the parts which the result is made of."""

PART, PART_S = 10, 10
"""Steps of a part: some 10 MB, and less than a second's work; and seconds after which it ends early, as on a cold disk:
the job's lease is renewed behind each.
"""


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an export that is asked for; raises Invalid or Refused about the member at fault."""
    for name in body:
        if name not in MEMBERS:
            raise Invalid("unknown_field", f"There is no such member; there are {', '.join(MEMBERS)}.", name[:200])
    exported = exported_in(body)
    options: dict[str, Any] = {
        "list": body.get("list", "users"),
        "format": _choice(body.get("format"), FORMATS, "format"),
        "filter": _filter(body.get("filter", {}), exported),
        "fields": _fields(body.get("fields", list(exported.fields)), exported),
    }
    if "order" in body:
        options["order"] = _text(body["order"], "order")
    listing(options)
    return options


def exported_in(body: Mapping[str, Any]) -> Exported:
    """Return which kind of list a body asks for; raises Invalid."""
    return EXPORTED[_choice(body.get("list", "users"), EXPORTED, "list")]


def listing(options: Mapping[str, Any]) -> Any:
    """Return the list; raises Refused, which names members of the body."""
    order = {"order": options["order"]} if "order" in options else {}
    try:
        return exported_of(options).listing(options["filter"] | order)
    except Refused as refused:
        name = refused.parameter
        raise Refused(refused.code, name if name == "order" else f"filter/{name}", refused.detail) from None


def told(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the log says of an export: its filters by name, for their values may be somebody's."""
    return {
        "list": options["list"],
        "format": options["format"],
        "filters": sorted(options["filter"]),
        "order": options.get("order", ""),
        "fields": options["fields"],
    }


def _choice(given: Any, choices: Collection[str], name: str) -> str:
    if given not in tuple(choices):  # a list is in no dict
        raise Invalid("invalid_choice", f"One of {', '.join(choices)}.", name)
    return str(given)


def _filter(given: Any, exported: Exported) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise Invalid("invalid", "Must be an object.", "filter")
    for name, value in given.items():
        if not exported.takes(name):
            served = ", ".join(f"{one}NAME" if one.endswith(".") else one for one in exported.filters) or "none"
            raise Invalid("unknown_field", f"There is no such filter; there are {served}.", f"filter/{name[:200]}")
        _text(value, f"filter/{name[:200]}")
    return dict(given)


def _fields(given: Any, exported: Exported) -> list[str]:
    if not isinstance(given, list) or not given:
        raise Invalid("invalid", "Must be a list of fields.", "fields")
    for at, name in enumerate(given):
        if name not in exported.fields:
            served = ", ".join(exported.fields)
            raise Invalid("invalid_choice", f"There is no such field; there are {served}.", f"fields/{at}")
    return [name for name in exported.fields if name in given]  # in the contract's order, each once


def _text(given: Any, name: str) -> str:
    if not isinstance(given, str) or "\0" in given:
        raise Invalid("invalid", "Must be text, written as in the query of a list.", name)
    return given


def run(running: Running) -> dict[str, Any]:
    """Write the list to parts, and those to the result. Raises JobRefused."""
    options = running.options
    try:
        found = listing(options)
    except Refused as refused:
        raise JobRefused(refused.code, refused.detail) from None
    exported, is_csv, names = exported_of(options), options["format"] == "csv", options["fields"]
    walk = exported.walk(found, names, is_csv)
    head = ",".join(names).encode() + b"\n" if is_csv else b""
    called = DRAFTS if options["format"] == "xlsx" else PARTS
    expected = exported.expected(found, running.by)
    while (key := running.position.get("key", ())) is not None:
        parts: list[str] = running.position.get(called, [])
        part = _write(running, walk, tuple(key), len(parts), b"" if parts else head)
        done, over = running.job.done + part.rows, part.key is None
        if options["format"] == "xlsx" and done > ROWS_MAX:
            raise JobRefused("too_many", f"A workbook has at most {ROWS_MAX:,} rows: take csv or jsonl, or a filter.")
        size = running.position.get("size", 0) + part.size
        with running.chunk() as chunk:
            chunk.done, chunk.total = part.rows, done if over else _total(expected, done)
            chunk.position = {"key": part.key, called: [*parts, *part.names], "size": size}
    _finish(running)
    return {"rows": running.job.done}


def _total(expected: int | None, done: int) -> int | None:
    return None if expected is None else max(expected, done + 1)


class Part(NamedTuple):
    """A part that has been written."""

    names: list[str]  # none where a search found nothing for so long
    size: int  # bytes
    rows: int
    key: Key | None  # where the next one begins


def _write(running: Running, walk: Steps, key: Key, number: int, head: bytes) -> Part:
    """Write a part to the storage, under a name of its own: whoever wrote here before us may still be at it."""
    path, rows, behind, until = running.folder / "part", 0, key, monotonic() + PART_S
    with path.open("wb") as file:
        file.write(head)
        for _ in range(PART):
            lines, going_on = walk.step(behind)
            file.writelines((b"\n".join(lines), b"\n" if lines else b""))
            rows += len(lines)
            if going_on is None or monotonic() > until:
                break
            behind = going_on
    if number and not path.stat().st_size:
        return Part([], 0, 0, going_on)
    name = f"part-{number:05}-{uuid4().hex[:12]}"
    storage().put(f"{running.job.folder}/{name}", path)
    return Part([name], path.stat().st_size, rows, going_on)


def _finish(running: Running) -> None:
    """Have the parts be the result, or make a workbook of them; remove what is not part of it."""
    job, ending, size = running.job, running.options["format"], running.position["size"]
    called = exported_of(running.options).called
    result = {"filename": f"{called}-{job.created_at:%Y%m%d}.{ending}", "content_type": FORMATS[ending]}
    if ending != "xlsx":
        running.finish_parts(rows=job.done, size=size, **result)
    elif not JobFile.objects.filter(job_id=job.id, name=JobFile.RESULT).exists():  # or its drafts may be gone by now
        path = running.folder / "workbook"
        files = (storage().blocks(f"{job.folder}/{name}") for name in running.position[DRAFTS])
        lines = lines_of(chain.from_iterable(files))
        write_workbook(path, called, running.options["fields"], lines, alive=lambda: _alive(running))
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


KINDS["export"] = Kind(run=run, permission=READ, permission_for=lambda job: exported_of(job.options).permission)
