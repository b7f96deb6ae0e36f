"""F11: callers who touch the same rows in opposite order, beside somebody who locks them as no verb of ours does.

`make faults` has 500 rounds, the suite 50. PostgreSQL sees a deadlock after 20 ms here instead of a second.
"""

import json
import os
import random
import subprocess
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psycopg
import pytest

from populace.bulk.import_job import FIRST
from tests.support.incident import Incident
from tests.support.installation import POPULACE
from tests.support.processes import start, wait_until
from tests.support.sql import rows

pytestmark = pytest.mark.only_on("postgresql", "elsewhere one writes at a time (MariaDB: tests of its own)")

ROUNDS = 500 if os.environ.get("FAULT_ROUNDS") else 50
USERS, GROUPS = "/api/v1/users", "/api/v1/groups"
STRANGERS = 12  # beside imports: each meets a batch now and then
NEAR = FIRST // 2  # people among whom a stranger takes two
SHARED = 3  # groups under one another, by turns
PEOPLE = 4 * FIRST  # of an import
DEADLOCKS = """
CREATE SEQUENCE times;
CREATE FUNCTION give_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('times') <= {times} THEN RAISE deadlock_detected; END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER give_way AFTER INSERT ON groups_membership DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION give_way();
"""


class Stranger(threading.Thread):
    """Somebody with psql, who locks two people at a time, the higher id first, and never gives way."""

    PAUSE_S = 0.03  # without it he would be in the way of all four tries of one call, some time

    def __init__(self, url: str, people: list[str], hold_s: float = 0) -> None:
        super().__init__(daemon=True)
        self.hold_s = hold_s
        self.url, self.people, self.ended = url, people, threading.Event()

    def run(self) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("SET deadlock_timeout = '20s'")
            connection.commit()
            while not self.ended.wait(self.PAUSE_S):
                near = self.people[random.randrange(max(1, len(self.people) - NEAR)) :][:NEAR]
                for one in sorted(random.sample(near, 2), reverse=True):
                    connection.execute("SELECT 1 FROM users_user WHERE id = %s FOR UPDATE", [one])
                    self.ended.wait(self.hold_s)
                connection.rollback()

    def __enter__(self) -> "Stranger":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.join()


class Nobody(Stranger):
    """Leaves everybody alone."""

    def run(self) -> None:
        self.ended.wait()


@pytest.fixture
def server(installation):
    url = installation.env["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET deadlock_timeout = 20')
    installation.env |= {"POPULACE_WEB_PROCESSES": "2"}
    installation.start_web()
    installation.start_worker()
    return installation


@pytest.fixture
def people(server) -> list[str]:
    made = [server.http.post(USERS, json={"username": f"person{number}"}) for number in range(12)]
    return [one.json()["id"] for one in made]


@pytest.fixture
def groups(server) -> list[str]:
    """Groups, one of which gives a role to its members: so that a change of members is one of rights, too."""
    made = [server.http.post(GROUPS, json={"name": f"group{number}"}).json()["id"] for number in range(SHARED)]
    assert server.http.patch(f"{GROUPS}/{made[0]}", json={"roles": ["viewer"]}).status_code == 200
    return made


def retries(server) -> int:
    lines = server.http.get("/metrics").text.splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("db_deadlock_retries_total ")))


def members(chance, people, groups, *, reverse):
    """Some come into a group and some leave it, named in one order or the other."""
    chosen = sorted(chance.sample(people, 8), reverse=reverse)
    group = chance.choice(groups)
    return "POST", f"{GROUPS}/{group}/members", {"add": chosen[::2], "remove": chosen[1::2]}


def roles(chance, people, groups, *, reverse):
    """Somebody gets a role, or loses it."""
    change = chance.choice(["add", "remove"])
    return "POST", f"{USERS}/{chance.choice(people)}/roles", {change: [chance.choice(["viewer", "helpdesk"])]}


def parents(chance, people, groups, *, reverse):
    """The second or third group comes below some of those before it, or below none."""
    number = chance.randrange(1, len(groups))
    return "PATCH", f"{GROUPS}/{groups[number]}", {"parents": chance.sample(groups[:number], chance.randint(0, number))}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("beside", [Nobody, Stranger], ids=["alone", "stranger"])
def test_f11_no_deadlock_reaches_a_client_and_the_end_is_one_of_a_serial_order(
    server, people, groups, beside, incident: Incident
):
    """Guards: populace/groups/actions.py:change_members (our own callers lock in one order, so nothing is repeated);
    populace/infra/db/retry.py:retried (another try, for who meets a stranger).
    """
    incident.injected, incident.rounds = f"members, roles and parents changed at once, {beside.__name__}", ROUNDS
    before = retries(server)

    def change(number: int) -> None:
        kind = [members, members, roles, parents][number]
        chance = random.Random(number)
        with httpx.Client(base_url=server.url, headers=server.http.headers, timeout=30) as client:
            for _ in range(ROUNDS):
                method, path, body = kind(chance, people, groups, reverse=number % 2 == 1)
                answer = incident.send(client, method, path, json=body)
                assert answer.status_code == 200, answer.text

    with beside(server.env["DATABASE_URL"], people), ThreadPoolExecutor(4) as pool:
        list(pool.map(change, range(4)))
    repeated = retries(server) - before
    incident.note = f"{repeated} tries repeated"
    if beside is Nobody:
        assert repeated == 0
    elif ROUNDS > 50:  # some forty then, with luck none in fifty rounds: the next test leaves nothing to luck
        assert repeated > 0
    wait_until(lambda: rows(server.env["DATABASE_URL"], "SELECT 1 FROM audit_outbox LIMIT 1") == [], "the feed", 60)
    check_members(server)
    check_roles(server)
    check_closure(server)


def told(server, *actions: str) -> list[tuple]:
    """Return (whom, what, changes) of these events in the feed's order."""
    names = ", ".join(f"'{action}'" for action in actions)
    return rows(
        server.env["DATABASE_URL"],
        "SELECT e.subject_id, e.action, e.details -> 'changes' FROM audit_feed f"
        f" JOIN audit_event e ON e.id = f.event_id WHERE e.action IN ({names}) ORDER BY f.seq",
    )


def check_members(server) -> None:
    """In the order of the feed everybody comes before they go, and who has come last is there."""
    inside: set[tuple[str, str]] = set()
    for user, action, changes in told(server, "group.member_added", "group.member_removed"):
        change = changes["group"]
        pair = str(user), (change["new"] or change["old"])["id"]
        assert (pair in inside) == (action == "group.member_removed")
        inside ^= {pair}
    stored = rows(server.env["DATABASE_URL"], "SELECT user_id::text, group_id::text FROM groups_membership")
    assert set(stored) == inside


def check_roles(server) -> None:
    """Each change begins with what the one before it left, and the last is what is stored."""
    held: dict[str, list[str]] = defaultdict(list)
    for user, _, changes in told(server, "user.roles_changed"):
        if held[str(user)] or changes["roles"]["old"]:
            assert changes["roles"]["old"] == held[str(user)]
        held[str(user)] = changes["roles"]["new"]
    stored = rows(
        server.env["DATABASE_URL"],
        "SELECT user_id::text, array_agg(r.name ORDER BY r.name) FROM groups_roleassignment a"
        f" JOIN groups_role r ON r.id = a.role_id WHERE user_id <> '{server.administrator_id}' GROUP BY 1",
    )
    assert dict(stored) == {user: names for user, names in held.items() if names and user != server.administrator_id}


def check_closure(server) -> None:
    """The closure is what follows from the parents."""
    url = server.env["DATABASE_URL"]
    lie = rows(url, "SELECT group_id, parent_id FROM groups_groupparent")
    right: dict[tuple, int] = {(one, one): 0 for (one,) in rows(url, "SELECT id FROM groups_group")}
    for _ in range(SHARED):
        for (middle, above), depth in list(right.items()):
            for child in (child for child, parent in lie if parent == middle):
                right[child, above] = min(depth + 1, right.get((child, above), depth + 1))
    stored = rows(url, "SELECT group_id, ancestor_id, depth FROM groups_groupclosure")
    assert {(one, above): depth for one, above, depth in stored} == right


@pytest.mark.parametrize("times", [3, 4])
def test_f11_a_verb_done_anew_leaves_its_receipt_and_gives_up_after_three_repeats(
    server, people, groups, times, incident: Incident
):
    """Guards: populace/infra/db/retry.py:REPEATS, retried (`along.written` is set back), which would lose the receipt
    of what was rolled back.
    """
    incident.injected = f"{times} deadlocks at COMMIT"
    url, before = server.env["DATABASE_URL"], retries(server)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(DEADLOCKS.format(times=times))
    path, key = f"{GROUPS}/{groups[1]}/members", {"Idempotency-Key": "once"}
    answer = incident.send(server.http, "POST", path, json={"add": people[:1]}, headers=key)
    assert retries(server) == before + 3
    if times > 3:
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert answer.headers["Retry-After"]
        assert rows(url, "SELECT 1 FROM groups_membership") == []
        answer = incident.send(server.http, "POST", path, json={"add": people[:1]}, headers=key)
    assert (answer.status_code, answer.json()) == (200, {"added": people[:1], "removed": []})
    assert "Idempotency-Replayed" not in answer.headers
    again = server.http.post(path, json={"add": people[:1]}, headers=key)
    assert (again.headers["Idempotency-Replayed"], again.json()) == ("true", answer.json())
    assert len(told_of(url)) == 1


def told_of(url: str) -> list[tuple]:
    return rows(url, "SELECT 1 FROM audit_event WHERE action = 'group.member_added'")


@pytest.mark.timeout(300)
def test_f11_two_imports_of_the_same_people_in_opposite_order(server, incident: Incident):
    """Guard: populace/bulk/importer.py:_try (what a deadlock has rolled back is decided anew)."""
    incident.injected = f"two imports, opposite order, and {STRANGERS} strangers"
    url, up = server.env["DATABASE_URL"], range(PEOPLE)
    assert started(server, "before", up).wait(120) == 0
    people = [one for (one,) in rows(url, "SELECT id::text FROM users_user WHERE external_id <> '' ORDER BY id")]
    down = [number for first in range(0, PEOPLE, FIRST) for number in reversed(up[first:][:FIRST])]
    seen = deadlocks(url)
    with ExitStack() as strangers:
        for _ in range(STRANGERS):
            strangers.enter_context(Stranger(url, people, hold_s=0.15))
        running = [started(server, name, order) for name, order in (("up", up), ("down", down))]
        codes = [process.wait(120) for process in running]
    logs = [(server.var / f"{name}.log").read_text() for name in ("up", "down")]
    assert codes == [0, 0], logs
    assert [json.loads(log.splitlines()[-1])["failed"] for log in logs] == [0, 0]
    incident.note = f"{deadlocks(url) - seen} deadlocks; each of {PEOPLE} people is as the last import left them"
    assert deadlocks(url) > seen
    stored = rows(url, "SELECT external_id, first_name FROM users_user WHERE external_id <> ''")
    assert len(stored) == PEOPLE
    assert dict(stored) == told_names(url)


def deadlocks(url: str) -> int:
    return rows(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]


def started(server, name: str, order) -> subprocess.Popen[bytes]:
    """Begin to import people who are called after their file."""
    file = server.var / f"{name}.jsonl"
    file.write_text("".join(json.dumps(row(number, name)) + "\n" for number in order))
    with (server.var / f"{name}.log").open("wb") as log:
        command = [POPULACE, "import", str(file), "--on-conflict", "update", "--json"]
        return start(command, server.env, stdout=log, stderr=log)


def row(number: int, name: str) -> dict[str, str]:
    return {"external_id": f"hr-{number}", "email": f"hr-{number}@example.com", "first_name": name}


def told_names(url: str) -> dict[str, str]:
    """Return what the last event of each person says of their first name."""
    found = rows(
        url,
        "SELECT u.external_id, e.details -> 'changes' -> 'first_name' ->> 'new' FROM audit_event e"
        " JOIN users_user u ON u.id = e.subject_id WHERE u.external_id <> '' AND e.details -> 'changes' ? 'first_name'"
        " ORDER BY (e.action = 'user.created') DESC, e.at",
    )
    return dict(found)
