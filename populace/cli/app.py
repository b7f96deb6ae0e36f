"""The commands. Each imports what it needs when it runs: `populace --help` answers without Django."""

from pathlib import Path
from typing import Annotated

import typer

from populace.cli import bulk, jobs, moving, people, tasks
from populace.cli.output import CANNOT_RUN, USAGE, Failure, progress, result

EXITS = (
    "Exit codes: 0 done, 1 cannot run (settings, database, port), 2 wrong usage, 3 some rows bad, "
    "4 refused by the directory, 130 interrupted."
)

app = typer.Typer(
    help=f"Populace: the people of a product and how they sign in. {EXITS}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its traces show local variables: passwords, tokens
)
app.add_typer(people.users, name="user")
app.add_typer(people.tokens, name="token")
app.add_typer(tasks.tasks, name="task")
app.add_typer(jobs.jobs, name="job")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line; no progress bar.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("populace"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def up() -> None:
    """Prepare this machine's own installation (schema, administrator, demo people), then run web and worker.

    This is `make run`. A dead process is started again; Ctrl-C or SIGTERM ends all within 10 seconds.
    """
    from config.env import begin_local
    from populace.cli.running import run

    begin_local()
    run()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Local mode: loopback only.")] = None,
) -> None:
    """Serve the API on PORT until SIGTERM, then finish the requests in hand."""
    from populace.cli.serving import serve

    serve(host)


@app.command()
def worker(
    lane: Annotated[
        str | None, typer.Option(help="mail, default or bulk: with a broker, take this lane's tasks only.")
    ] = None,
) -> None:
    """Pass events on and run tasks until SIGTERM, then finish the tasks in hand."""
    from populace.cli.working import work

    work(lane)


@app.command()
def migrate() -> None:
    """Bring the database's schema to this version; does nothing where it is there already."""
    from populace.cli.directory import directory

    with directory():
        from populace.cli.migrating import migrate

        migrate()


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, readable=True, help="At most 2 GiB.")],
    file_format: Annotated[
        str | None, typer.Option("--format", help="csv, jsonl, keycloak, …; recognised if left out")
    ] = None,
    options: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A file with what FILE does not say, as Firebase's hash_config."
        ),
    ] = None,
    on_conflict: Annotated[
        str, typer.Option(help="skip, update or fail: where somebody has an identifier of the row already")
    ] = "skip",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, write none.")] = False,
    rows: Annotated[
        str, typer.Option(help="good: the good rows go in; all: in one transaction, and none where one is bad")
    ] = "good",
    welcome: Annotated[bool, typer.Option("--welcome", help="Let mail go to the people who are made.")] = False,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="FILE is of `export --as-is`: fill this empty database with all of it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create people from a file, quietly (no mail follows). Bad rows go to FILE.errors.*; then the exit code is 3.

    A row with an external id that is known changes that person. It is a job: Ctrl-C stops it, `populace job resume`
    goes on. Repeated, it does no harm.
    """
    from populace.cli.directory import directory

    if as_is:
        if file_format or options or on_conflict != "skip" or rows != "good" or welcome or file.is_dir():
            raise Failure(USAGE, "import --as-is: takes one file; no option about rows goes with it")
        moving.import_as_is(file, dry_run=dry_run, as_json=as_json)
        return

    with directory():
        from populace.audit.actors import SYSTEM
        from populace.bulk.errors import OptionRefused
        from populace.bulk.imports import import_file
        from populace.bulk.options import read_options

        try:
            said = read_options(options) if options else {}
            with jobs.shown("import", as_json=as_json) as report:
                done = import_file(
                    file,
                    file_format,
                    on_conflict=on_conflict,
                    dry_run=dry_run,
                    rows=rows,
                    welcome=welcome,
                    options=said,
                    by=SYSTEM,
                    report=report,
                )
        except OptionRefused as refused:
            raise Failure(USAGE, str(refused)) from None
    jobs.tell_import(done, as_json=as_json)


app.command("bulk")(bulk.bulk)
jobs.jobs.command("undo")(bulk.undo)
app.command("export")(moving.export)
app.command("backup")(moving.backup)


@app.command()
def seed(count: Annotated[int, typer.Argument(min=1, max=100_000_000)], as_json: AsJson = False) -> None:
    """Create COUNT made-up people with user name and e-mail, quietly; returns when their events are in the feed."""
    from populace.cli.directory import directory

    with directory():
        from populace.cli.seeding import seed

        with progress("seed", as_json=as_json) as report:
            seed(count, report=report)
    result({"created": count}, as_json=as_json)


@app.command()
def doctor(
    what: Annotated[str, typer.Argument(help="identifiers: compare every person with what they are found by.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check settings, database, schema and folders; exit code 1 where something is wrong."""
    from populace.cli.directory import directory

    if what not in ("", "identifiers"):
        raise Failure(USAGE, f"doctor knows nothing about {what}; there is identifiers, or leave it out")
    with directory():
        from populace.cli import doctor

        good = doctor.identifiers(as_json=as_json) if what else doctor.installation(as_json=as_json)
    if not good:
        raise typer.Exit(CANNOT_RUN)
