"""`populace export`, `import --as-is` and `backup`: the directory as a whole, to another database or a safe place."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from populace.cli import exporting
from populace.cli.directory import directory
from populace.cli.output import CANNOT_RUN, REFUSED, SOME_ROWS_BAD, USAGE, Failure, note, progress, result

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object; no progress bar.")]


def export(
    file: Annotated[Path, typer.Argument(help="A new file, readable by you alone.")],
    file_format: Annotated[
        str | None, typer.Option("--format", help="csv, jsonl or xlsx; by the file's ending if left out")
    ] = None,
    listed: Annotated[str | None, typer.Option("--list", help="users, groups or events; users if left out")] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help="NAME=VALUE of the list, such as is_active=true.")
    ] = None,
    order: Annotated[str | None, typer.Option(help="As of the list, such as -last_login.")] = None,
    fields: Annotated[str | None, typer.Option(help="Names with commas between; all if left out.")] = None,
    resume: Annotated[UUID | None, typer.Option(help="Go on with this job of an export that was interrupted.")] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="All of it, for another database's `import --as-is`.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="--as-is: seconds to wait for the worker to be done.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Write people, or another list, to a new file, as a job that Ctrl-C interrupts and `--resume` goes on with.

    With `--as-is` the whole directory, hashes, groups, tokens and events included, as of one moment; sessions and tasks
    stay behind.
    """
    asked = {"list": listed, "format": file_format, "filter": filters, "order": order, "fields": fields}
    given = {name: value for name, value in asked.items() if value is not None}
    if not as_is:
        exporting.export(file, given, resume, as_json=as_json)
    elif given or resume:
        raise Failure(USAGE, "export --as-is: no option about a list goes with it")
    else:
        _export_as_is(file, wait=wait, as_json=as_json)


def _export_as_is(file: Path, *, wait: float, as_json: bool) -> None:
    with directory(), files():
        from populace.bulk.move.export import NotReady, export_as_is

        try:
            with progress("export", as_json=as_json) as report:
                foot = export_as_is(file, wait_s=wait, report=report)
        except NotReady as refused:
            raise Failure(CANNOT_RUN, str(refused)) from None
    numbers = {"people": foot.counts["users.user"], "rows": sum(foot.counts.values())}
    result({"file": str(file), **numbers, "sha256": foot.sha256}, as_json=as_json)


def import_as_is(file: Path, *, dry_run: bool, as_json: bool) -> None:
    """Fill this empty database from a file of `export --as-is`, or with `dry_run` only see whether that would do."""
    with directory(), files():
        from populace.audit.actors import SYSTEM
        from populace.bulk.errors import FileRefused
        from populace.bulk.move import load
        from populace.cli.seeding import analyze

        try:
            with progress("import", as_json=as_json) as report:
                head = load.check(file, report=report) if dry_run else load.import_as_is(file, by=SYSTEM, report=report)
        except load.TargetRefused as refused:
            raise Failure(REFUSED, str(refused)) from None
        except FileRefused as refused:
            raise Failure(SOME_ROWS_BAD, f"{file}: {refused}") from None
        if not dry_run:
            analyze()
        if not load.same_spelling(head):
            note("populace: other Unicode tables made the file's identifiers: run populace doctor identifiers")
    told = {"people": head.counts["users.user"], "rows": head.rows}
    result(told | ({"dry_run": True} if dry_run else {}), as_json=as_json)


def backup(
    folder: Annotated[Path | None, typer.Argument(help="Where to; `backups` in the var folder if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy the whole database, as of one moment, to a new file that only you can read, and print its path.

    PostgreSQL: by pg_dump, for pg_restore. MariaDB: by mariadb-dump. SQLite: a database. Keep POPULACE_SECRET_KEY as
    well, elsewhere.
    """
    with directory(), files():
        from django.conf import settings

        from populace.infra.db.backup import BackupFailed, copy, suffix
        from populace.infra.files import new_private

        place = folder or settings.VAR_DIR / "backups"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = place / f"populace-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{suffix()}"
        try:
            with new_private(path) as new:
                copy(new)
        except BackupFailed as failed:
            raise Failure(CANNOT_RUN, str(failed)) from None
    if as_json:
        result({"file": str(path)}, as_json=True)
    else:
        print(path, flush=True)


@contextmanager
def files() -> Iterator[None]:
    """End the command where the disk refuses."""
    try:
        yield
    except OSError as error:
        reason = f"{error.filename}: {error.strerror.lower()}" if error.strerror and error.filename else str(error)
        raise Failure(CANNOT_RUN, reason) from None
