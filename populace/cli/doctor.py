"""`populace doctor`: is this installation in order?"""

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.core.checks import WARNING, run_checks
from django.db import Error, connections
from django.db.migrations.executor import MigrationExecutor

from populace.audit.models import Event
from populace.cli.directory import first_line
from populace.cli.doctor_database import connection_findings
from populace.cli.finding import Finding
from populace.cli.output import result
from populace.credentials.tasks import wrap_digests
from populace.infra.db.ids import new_id
from populace.infra.db.partitions import missing_months
from populace.infra.storage import Unavailable, storage
from populace.infra.tasks.engines import chosen
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES
from populace.users import checks
from populace.users.models import BARE, User
from populace.users.parts import PARTS


def installation(*, as_json: bool) -> bool:
    """Print what each check found; tell whether all is in order."""
    good = True
    for finding in findings():
        good = good and finding.ok
        if as_json:
            result({"check": finding.check, "ok": finding.ok, "detail": finding.detail}, as_json=True)
        else:
            result({finding.check: f"{'ok' if finding.ok else 'WRONG'}  {finding.detail}"}, as_json=False)
    return good


def identifiers(*, as_json: bool) -> bool:
    """Print each person's identifier that is not as the code would make it, then how many; tell whether none is.

    Reads every person, in constant memory. A line names a fault, an id and a kind or column, never a value.
    """
    found: Counter[str] = Counter()
    for amiss in checks.identifiers():
        found[amiss.fault] += 1
        if as_json:
            result({"fault": amiss.fault, "user": str(amiss.user_id), "what": amiss.what}, as_json=True)
        else:
            result({amiss.fault: f"{amiss.user_id} {amiss.what}"}, as_json=False)
    summary = {"check": "identifiers", "ok": not found} if as_json else {"identifiers": "WRONG" if found else "ok"}
    result(summary | found, as_json=as_json)
    return not found


def findings() -> Iterator[Finding]:
    """Yield what each check found; the schema is not asked about where the database does not answer."""
    yield _settings()
    database = _database()
    yield database
    if database.ok:
        yield from connection_findings()
        schema = _schema()
        yield schema
        if schema.ok:
            yield _months()
            yield _digests()
            yield _parts()
            yield _dead_letters()
    if settings.TASKS_BROKER:
        yield _broker()
    yield _folder()
    yield _files()


def _settings() -> Finding:
    # Reading them has refused the unsafe ones already; this is what Django's own checks add.
    messages = [message for message in run_checks() if message.level >= WARNING and not message.is_silenced()]
    return Finding(
        "settings", not messages, "; ".join(str(message.id) for message in messages) or f"{settings.MODE} mode"
    )


def _database() -> Finding:
    connection = connections["default"]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        return Finding("database", False, first_line(error))
    return Finding("database", True, connection.display_name)


def _schema() -> Finding:
    executor = MigrationExecutor(connections["default"])
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return Finding(
        "schema", not missing, f"{len(missing)} migrations to run: populace migrate" if missing else "current"
    )


def _months() -> Finding:
    missing = missing_months(Event)
    return Finding(
        "months", not missing, f"no partition {', '.join(missing)}: populace migrate" if missing else "ahead"
    )


def _digests() -> Finding:
    left = User.objects.filter(password__startswith=BARE).count()
    queued = TaskRow.objects.filter(name=wrap_digests.module_path).exclude(state__in=TaskRow.OVER).exists()
    detail = f"{left} imported fast digests to wrap" if left else "all imported fast digests are wrapped"
    return Finding("hashes", not left or queued, detail + ("" if queued or not left else ": is a worker running?"))


def _parts() -> Finding:
    connection = connections["default"]
    if not settings.SEARCH_PARTS or not PARTS.possible(connection):
        return Finding("search", True, "beginnings")
    there = PARTS.available(connection)
    return Finding("search", there, "beginnings and parts" if there else "no index of parts: populace migrate")


def _dead_letters() -> Finding:
    count = TaskRow.objects.filter(state=TaskRow.DEAD).count()
    return Finding("tasks", True, f"{count} given up: see `populace task list --dead`" if count else "none given up")


def _broker() -> Finding:
    engine = chosen()
    try:
        waiting = {name: engine.waiting(name) for name in LANES}
    except Exception as error:  # each library has its own
        return Finding("broker", False, f"TASKS_URL: does not answer ({type(error).__name__})")
    return Finding("broker", True, ", ".join(f"{count} {name}" for name, count in waiting.items()) + " on the way")


def _folder() -> Finding:
    var = settings.VAR_DIR
    return Finding("var", os.access(var, os.W_OK | os.X_OK), str(var))


def _files() -> Finding:
    """Write a file to the storage, read it back and remove it."""
    where = settings.FILES.get("folder") or "{endpoint}/{bucket}/{prefix}".format(**settings.FILES)
    key, sent = f"doctor/{new_id()}", secrets.token_bytes(16)
    with TemporaryDirectory(prefix="populace-doctor-") as folder:
        path = Path(folder) / "file"
        path.write_bytes(sent)
        try:
            storage().put(key, path)
            got = b"".join(storage().blocks(key))
            storage().remove(key)
        except (Unavailable, FileNotFoundError) as error:
            return Finding("files", False, f"{where}: {error}")
    return Finding("files", got == sent, where if got == sent else f"{where}: something else comes back")
