"""A directory moves to another database as it is: `populace export --as-is`, `populace import --as-is`."""

import gzip
import json
import stat
import subprocess
import tracemalloc
from importlib.metadata import version

import httpx
import psycopg
import pytest
from django.apps import apps

from populace.audit.actors import SYSTEM
from populace.bulk.errors import FileRefused
from populace.bulk.move.export import export_as_is
from populace.bulk.move.format import checked, head_of
from populace.bulk.move.load import import_as_is
from populace.bulk.move.tables import MOVED, STAYS, label
from populace.infra.db.patience import patient
from populace.users.models import User
from tests.support.installation import POPULACE, Installation, run
from tests.support.moving import PASSWORD, empty, fill, forged, lines
from tests.support.plugin import Session
from tests.support.processes import start, stop, wait_until
from tests.support.sql import digest, rows


@pytest.fixture(scope="module")
def var(tmp_path_factory):
    return tmp_path_factory.mktemp("move")


@pytest.fixture(scope="module")
def source(var):
    """An installation on SQLite with something of everything, and what to know of it."""
    made = Installation(var, DATABASE_URL=f"sqlite:///{var / 'source.sqlite3'}")
    made.known = fill(made)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def exported(source, var):
    """The file of that installation, exported while its web and worker go on."""
    path = var / "source.gz"
    source.told = json.loads(run(source.env, "export", str(path), "--as-is", "--json"))
    return path


@pytest.fixture(scope="module")
def moved(exported, var):
    """The environment of a database of the run's engine that took the file in."""
    env = empty(var)
    run(env, "import", str(exported), "--as-is")
    return env


@pytest.fixture
def target(var):
    return empty(var)


def refused(env, path, code, *words, options=()):
    """Tell what is said when an import ends with this code; nothing may have changed."""
    before = digest(env["DATABASE_URL"]), _log(env)
    done = subprocess.run(
        [POPULACE, "import", str(path), "--as-is", *options], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr
    assert (digest(env["DATABASE_URL"]), _log(env)) == before


def _log(env):
    return [
        rows(env["DATABASE_URL"], f"SELECT count(*) FROM {table}")
        for table in ("audit_event", "audit_feed", "audit_outbox")
    ] + rows(env["DATABASE_URL"], "SELECT value FROM audit_counter")


def test_every_model_moves_or_is_said_why_not():
    """Guard: populace/bulk/move/tables.py:MOVED."""
    there = {model._meta.label_lower for model in apps.get_models()}
    assert there - {label(model) for model in MOVED} - set(STAYS) == set()
    assert set(STAYS) - there == set()


def test_there_and_back_every_line_is_the_same_but_for_the_events_of_the_moves(exported, moved, var):
    """SQLite, the engine of this run, SQLite: ids, hashes, versions, times and the log are the same bytes."""
    there, back, again = var / "there.gz", empty(var, sqlite=True), var / "again.gz"
    run(moved, "export", str(there), "--as-is")
    run(back, "import", str(there), "--as-is")
    run(back, "export", str(again), "--as-is")
    first, last = lines(exported)[1:-1], lines(again)[1:-1]
    assert not [line for line in set(first) - set(last) if not line.startswith(b'["feed",')]
    added = [line for line in last if line not in set(first) and not line.startswith(b'["feed",')]
    events, positions = added[:2], added[2:]
    assert [json.loads(line)[3:5] for line in events] == [["directory", "directory.imported"]] * 2
    assert {json.loads(line)[5] for line in events} == {str(SYSTEM.id)}
    before = max(json.loads(line)[0] for line in first[first.index(feed(first)) + 1 : -2])
    assert [json.loads(line)[0] for line in positions] == [before + 1, before + 2]
    assert [line for line in last if line in set(first)] == first[:-1]


def feed(all_lines):
    """Return the line that begins the feed."""
    return next(line for line in all_lines if b'"table":"audit.feed"' in line)


def test_something_of_everything_is_in_the_file(source, exported):
    head = json.loads(lines(exported)[0])
    assert [name for name, count in head["counts"].items() if not count] == []
    assert source.told["people"] == head["counts"]["users.user"] == 3
    assert source.told["rows"] == sum(head["counts"].values())
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600


def test_a_moved_directory_serves_tokens_passwords_rights_and_search_as_before(source, moved):
    known = source.known
    arguments = [POPULACE, "user", "check-password", "ann"]
    for password, code in ((PASSWORD, 0), ("wrong", 1)):
        done = subprocess.run(arguments, env=moved, input=f"{password}\n", text=True, capture_output=True)
        assert done.returncode == code, done.stderr
    web = start([POPULACE, "serve"], moved)
    try:
        url = f"http://127.0.0.1:{moved['PORT']}"
        hers = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {known['token']}"})
        wait_until(lambda: answers(hers), "the moved directory")
        path = f"/api/v1/users/{known['ann']}"
        assert hers.get(path).json() == source.http.get(path).json()
        assert hers.get("/api/v1/users", params={"attributes.team": "red"}).json()["results"][0]["id"] == known["ann"]
        members = hers.get(f"/api/v1/groups/{known['below']}/members")
        assert members.status_code == 403  # as before: the token's scope is users:read
        # The administrator's token too; and what is written now comes behind what was moved.
        made = httpx.post(f"{url}/api/v1/users", json={"username": "new"}, headers=dict(source.http.headers))
        assert made.status_code == 201, made.text
    finally:
        stop(web)


def answers(client):
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_the_feed_goes_on_without_a_gap(exported, target):
    run(target, "import", str(exported), "--as-is")
    run(target, "seed", "3")
    numbers = [seq for (seq,) in rows(target["DATABASE_URL"], "SELECT seq FROM audit_feed ORDER BY seq")]
    assert numbers == list(range(1, json.loads(lines(exported)[0])["counts"]["audit.feed"] + 1 + 1 + 3))
    assert run(target, "doctor", "identifiers", "--json") == '{"check": "identifiers", "ok": true}\n'
    run(target, "doctor")


@pytest.mark.only_on("postgresql", "only PostgreSQL has partitions and roles")
def test_events_of_months_gone_by_get_their_partitions_whoever_owns_the_tables(exported, var):
    """Guards: populace/bulk/move/load.py:_make_months; populace/infra/db/snapshots.py:filling, which locks no log."""

    def long_ago(decoded):
        place = next(number for number, line in enumerate(decoded) if line == {"table": "audit.event"} | line_of(line))
        decoded[place + 1][1] = "2024-02-10T08:00:00.000001+00:00"
        decoded[0]["months"][0] = "2024-02-10"

    def line_of(line):
        return {"columns": line["columns"]} if isinstance(line, dict) and "columns" in line else {}

    with psycopg.connect(Session.postgresql.url("template1"), autocommit=True) as connection:
        for statement in ("ROLE move_owner LOGIN", "ROLE move_app LOGIN", "DATABASE moved_roles OWNER move_owner"):
            connection.execute(f"CREATE {statement}")
    place = Session.postgresql.url("moved_roles").partition("@")[2]
    env = empty(var, sqlite=True) | {
        "DATABASE_URL": f"postgres://move_app@{place}",
        "DATABASE_OWNER_URL": f"postgres://move_owner@{place}",
    }
    run(env, "migrate")
    run(env, "import", str(forged(exported, long_ago)), "--as-is")
    assert rows(env["DATABASE_OWNER_URL"], "SELECT count(*) FROM audit_event_2024_02") == [(1,)]
    assert rows(env["DATABASE_OWNER_URL"], "SELECT count(*) FROM audit_event_default") == [(0,)]
    run(env, "export", str(var / "roles.gz"), "--as-is")
    run(env, "backup", str(var / "roles"))


def test_a_file_that_is_cut_off_or_damaged_is_refused(exported, tmp_path):
    """Guard: populace/bulk/move/format.py:checked."""
    path, whole, text = tmp_path / "bad.gz", exported.read_bytes(), lines(exported)
    half = len(whole) // 2
    damages = {
        "cut off": [whole[: len(whole) // 2], whole[:-5], gzip.compress(b"".join(text[:-1]))],
        "damaged": [
            gzip.compress(b"".join([*text[:20], *text[21:]])),
            gzip.compress(b"".join(text).replace(b'"ann"', b'"eve"')),
            gzip.compress(b"".join([*text, text[-2], text[-1]])),
            whole[:half]
            + bytes(byte ^ 0xFF for byte in whole[half : half + 10])
            + whole[half + 10 :],  # behind the head
        ],
        "not a file of": [b"username\nann\n", gzip.compress(b"{}\n"), gzip.compress(b""), b""],
    }
    for word, contents in damages.items():
        for content in contents:
            path.write_bytes(content)
            with pytest.raises(FileRefused, match=word):
                for _ in checked(path) if head_of(path) else ():
                    pass


def test_a_damaged_file_changes_nothing(exported, target, var):
    """Guard: populace/bulk/move/load.py:import_as_is, which reads all of it first."""
    path = var / "bad.gz"
    path.write_bytes(gzip.compress(b"".join(lines(exported)).replace(b'"ann"', b'"eve"')))
    refused(target, path, 3, "damaged")


def test_a_file_that_no_export_made_changes_nothing(exported, target):
    """All in one transaction. Guard: populace/infra/db/snapshots.py:filling."""

    def twice(decoded):
        decoded.insert(-2, decoded[-3])  # two positions of the same number, at the very end

    refused(target, forged(exported, twice), 1, "database: ")


VERSION = version("populace")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda all_lines: all_lines[-3].__setitem__(1, "x"), "cannot be read"),
        (lambda all_lines: all_lines[-3].pop(), "cannot be read"),
        (lambda all_lines: all_lines[1]["columns"].reverse(), "other columns in users.user"),
        (
            lambda all_lines: all_lines[0]["schema"].update(users="0001_initial"),
            f"import it with version {version('populace')}",
        ),
        (lambda all_lines: all_lines[0].update(populace=2), "its format is 2; this version reads 1"),
    ],
)
def test_a_file_that_says_something_else_is_refused(db, exported, change, reason):
    with pytest.raises(FileRefused, match=reason):
        import_as_is(forged(exported, change), by=SYSTEM, report=lambda done: None)
    assert not User.objects.exists()


def test_a_database_with_anybody_in_it_is_refused(exported, moved, target):
    """Guard: populace/bulk/move/load.py:_refuse_unless_empty."""
    refused(moved, exported, 4, "not empty", "users.user")
    run(target, "user", "create", "--username", "first", "--quiet")
    refused(target, exported, 4, "not empty", "users.user")


def test_a_dry_run_checks_all_and_writes_nothing(exported, moved, target):
    assert json.loads(run(target, "import", str(exported), "--as-is", "--dry-run", "--json")) == {
        "people": 3,
        "rows": sum(json.loads(lines(exported)[0])["counts"].values()),
        "dry_run": True,
    }
    assert rows(target["DATABASE_URL"], "SELECT count(*) FROM users_user") == [(0,)]
    refused(moved, exported, 4, "not empty", options=["--dry-run"])


def test_an_export_waits_for_events_and_tasks_and_refuses_in_the_end(target, var):
    """Guard: populace/bulk/move/export.py:export_as_is. Nobody works here: the welcome mail is never sent."""
    run(target, "user", "create", "--email", "mail@example.org")
    path = var / "early.gz"
    command = [POPULACE, "export", str(path), "--as-is", "--wait", "0.5"]
    done = subprocess.run(command, env=target, capture_output=True, text=True)
    assert done.returncode == 1
    assert "0 events and 1 tasks are not done with: is a worker running" in done.stderr  # it dispatches by itself
    assert not path.exists()
    worker = start([POPULACE, "worker"], target)
    try:
        run(target, "export", str(path), "--as-is")
    finally:
        stop(worker)


def test_an_export_overwrites_nothing_and_leaves_no_half_of_a_file(exported, source, moved, var):
    before = exported.read_bytes()
    folder = var / "full"
    folder.mkdir()
    for path, line in ((exported, "exists already"), (folder / "no" / "x.gz", "no such file")):
        done = subprocess.run(
            [POPULACE, "export", str(path), "--as-is"], env=source.env, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert line in done.stderr
    assert exported.read_bytes() == before
    limited = f"ulimit -f 1; exec {POPULACE} export {folder / 'x.gz'} --as-is"
    done = subprocess.run(["bash", "-c", limited], env=source.env, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert list(folder.iterdir()) == []


def test_as_is_goes_with_no_option_about_rows(var, target):
    assert run(target, "import", str(var / "source.gz"), "--as-is", "--on-conflict", "update", expected=2) == ""


@pytest.mark.django_db(transaction=True)
def test_memory_does_not_grow_with_the_directory(tmp_path):
    """What 10,000 people need at once is what 2,000 need: some batches of a thousand rows."""
    peaks = [_peaks(count, tmp_path / f"{count}.gz") for count in (2000, 10_000)]
    for few, many in zip(*peaks, strict=True):
        assert many < few * 1.3 + (1 << 20)


def _peaks(count, path):
    """Return the most bytes that Python had at once while exporting and while importing."""
    people = (User(username=f"p{number}", username_normal=f"p{number}") for number in range(count))
    User._base_manager.bulk_create(people, batch_size=1000)
    peaks = []
    for step in (
        lambda: export_as_is(path, wait_s=0, report=lambda done: None),
        lambda: import_as_is(path, by=SYSTEM, report=lambda done: None),
    ):
        tracemalloc.start()
        step()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert User.objects.count() == count
        _emptied()
    return peaks


def _emptied():
    """Take everything away that moves or follows, but the counter's row."""
    with patient():  # each person's row is looked for in all tables that may name it
        for model in (*reversed(MOVED), apps.get_model("audit.outbox")):
            rows_of = model._base_manager.all()
            if label(model) == "audit.counter":
                rows_of.update(value=0)
            else:
                rows_of._raw_delete(rows_of.db)
