"""populace bulk ACTION: one action on many people, by a job in this process."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from populace.cli.directory import directory
from populace.cli.jobs import AsJson, JobId, fail_unless_good, known, shown
from populace.cli.output import REFUSED, SOME_ROWS_BAD, USAGE, Failure, note, result

if TYPE_CHECKING:
    from populace.bulk.models import Job


def bulk(
    action: Annotated[str, typer.Argument(help="activate, deactivate, update, erase, add_to_group, remove_from_group")],
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help="NAME=VALUE of the list of people, such as is_active=true.")
    ] = None,
    ids: Annotated[list[UUID] | None, typer.Option("--id", help="A person, in place of filters; many times.")] = None,
    everybody: Annotated[bool, typer.Option("--everybody", help="In place of filters and ids.")] = False,
    group: Annotated[UUID | None, typer.Option(help="Of add_to_group and remove_from_group: the group's id.")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="Of update: NAME=VALUE, such as locale=de or attributes.team=red.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Do nothing, tell what would be done.")] = False,
    yes: Annotated[int | None, typer.Option("--yes", help="How many people they are; needed above 1,000.")] = None,
    as_json: AsJson = False,
) -> None:
    """Do one thing to everybody who matches. Ctrl-C interrupts it, and `job resume` goes on."""
    if bool(filters) + bool(ids) + everybody != 1:
        raise Failure(USAGE, "bulk: --filter, --id or --everybody says whom")
    with directory():
        from populace.audit.actors import SYSTEM
        from populace.bulk.bulk_actions import prepared
        from populace.bulk.chosen import chosen_of
        from populace.bulk.errors import NotConfirmed
        from populace.bulk.here import run_here
        from populace.bulk.preview import preview_of
        from populace.users.errors import Refused

        asked = {
            "filter": None if ids else _pairs("--filter", filters or ()),
            "ids": [str(one) for one in ids] if ids else None,
            "group": str(group) if group else None,
            "values": _nested(_pairs("--set", values)) if values else None,
        }
        try:
            chosen = chosen_of(action, **asked)
            if preview:
                result(preview_of(chosen, by=SYSTEM).document(), as_json=as_json)
                return
            job = prepared(chosen, by=SYSTEM, confirm=yes)
            with shown("bulk", as_json=as_json) as report:
                done = run_here(job, by=SYSTEM, report=report)
        except NotConfirmed as many:
            raise Failure(REFUSED, f"not_confirmed: {many.count} people; --yes {many.count} says so") from None
        except Refused as refused:
            raise Failure(REFUSED, f"{refused.code}: {refused.parameter}: {refused}") from None
    _tell(done, as_json=as_json)


def undo(job_id: JobId, as_json: AsJson = False) -> None:
    """Take back what a bulk action did, with those who are still as it left them."""
    with directory(), known():
        from populace.audit.actors import SYSTEM
        from populace.bulk.errors import NotUndoable
        from populace.bulk.here import run_here
        from populace.bulk.reads import job_of
        from populace.bulk.undo import prepared

        try:
            job = prepared(job_of(job_id, by=SYSTEM), by=SYSTEM)
        except NotUndoable as told:
            raise Failure(REFUSED, f"not_undoable: {told}") from None
        with shown("undo", as_json=as_json) as report:
            done = run_here(job, by=SYSTEM, report=report)
    _tell(done, as_json=as_json)


def _tell(job: "Job", *, as_json: bool) -> None:
    """Print what came of a job; ends the command with 3 where something came of not everybody."""
    from populace.bulk.reads import errors_of

    fail_unless_good(job)
    numbers: dict[str, int] = job.result or {}
    for error in errors_of(job.id):
        told: dict[str, Any] = {**(error.sent or {}), "code": error.code, "reason": error.reason}
        if as_json:
            result(told, as_json=True)
        else:
            note(f"{told['id']}: {error.code}: {error.reason}")
    result({"job": str(job.id)} | numbers, as_json=as_json)
    if numbers["refused"]:
        raise typer.Exit(SOME_ROWS_BAD)


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    if not all(found for _, found, _ in pairs):
        raise Failure(USAGE, f"bulk: {option} is written NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _nested(pairs: dict[str, str]) -> dict[str, Any]:
    """Return values with `attributes.NAME` in an object of its own; what is JSON there is taken as such."""
    values: dict[str, Any] = {}
    for name, text in pairs.items():
        first, dot, rest = name.partition(".")
        if dot and first == "attributes":
            values.setdefault(first, {})[rest] = _json_or_text(text)
        else:
            values[name] = text
    return values


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
