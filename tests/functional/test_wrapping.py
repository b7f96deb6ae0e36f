"""Fast digests that an import brought are wrapped in Argon2id by a task, while everything else goes on."""

import json
import sys
from uuid import UUID

import pytest
from django.db import connection

from populace.audit.models import Event, Outbox
from populace.cli import main
from populace.credentials import tasks
from populace.credentials.actions import set_password, wrap_password
from populace.credentials.foreign import adopted
from populace.credentials.hashing import HashingBusy, hash_password, sealed, verify_password
from populace.credentials.tasks import enqueue_wrapping, look_for_digests, wrap_digests
from populace.infra.db.partitions import ensure_month_partitions
from populace.infra.tasks.chores import CHORES
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES, claim
from populace.infra.tasks.run import run
from populace.users.models import User

pytestmark = pytest.mark.django_db

MD5 = adopted("$md5$4QrcOUm6Wau+VuBX8g+IPg==")  # 123456
SSHA = adopted("{SSHA}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a")  # test123
SLOW = adopted("$2a$10$ZsCsoVQ3xfBG/K2z2XpBf.tm90GZmtOqtqWcB5.pYd5Eq8y7RlDyq")


@pytest.fixture
def doctor(capsys, monkeypatch):
    """Return `doctor() -> (ok, detail)` of its finding about hashes."""
    ensure_month_partitions(Event, "at")

    def finding():
        monkeypatch.setattr(sys, "argv", ["populace", "doctor", "--json"])
        with pytest.raises(SystemExit):
            main()
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        [hashes] = [each for each in found if each["check"] == "hashes"]
        return hashes["ok"], hashes["detail"]

    return finding


def stored(person):
    return User.objects.get(id=person["id"]).password


def queued():
    return TaskRow.objects.filter(name="populace.credentials.tasks.wrap_digests", state=TaskRow.OPEN)


def work():
    """Run what a worker would find in the lane, and what follows from it, until nothing is due."""
    while rows := claim(LANES["bulk"]):
        for row in rows:
            run(row)
            row.refresh_from_db()
            assert row.state == TaskRow.DONE, row.error


def test_all_digests_are_wrapped_and_nothing_else(make_user, monkeypatch):
    monkeypatch.setattr(tasks, "ROWS", 2)
    fast = [make_user(password_hash=MD5) for _ in range(4)] + [make_user(password_hash=SSHA)]
    ours = hash_password("correct horse battery")
    others = [make_user(password_hash=encoded) for encoded in (SLOW, ours, "!")]
    enqueue_wrapping()
    work()
    assert all(stored(person).startswith("argon2_wrapped$") for person in fast)
    assert len({stored(person) for person in fast}) == 5
    assert [stored(person) for person in others] == [SLOW, ours, "!"]
    assert verify_password("123456", stored(fast[0]))
    assert verify_password("test123", stored(fast[4]))
    assert not verify_password("test123", stored(fast[0]))


def test_wrapping_is_no_change_anybody_is_told_of(make_user):
    """docs/reference/hashes.md says so: the password stays what it was."""
    person = make_user(password_hash=MD5)
    before, told = User.objects.get(id=person["id"]), (Event.objects.count(), Outbox.objects.count())
    enqueue_wrapping()
    work()
    after = User.objects.get(id=person["id"])
    assert after.password != before.password
    assert (after.version, after.updated_at) == (before.version, before.updated_at)
    assert (Event.objects.count(), Outbox.objects.count()) == told


def test_a_password_that_changes_while_its_digest_is_wrapped_stays_as_changed(make_user, actor, monkeypatch):
    """Guard: populace/credentials/actions.py:wrap_password (password=bare)."""
    person = make_user(password_hash=MD5)
    ours = hash_password("correct horse battery")

    def meanwhile(bare):
        set_password(UUID(person["id"]), password_hash=ours, by=actor)
        return sealed(bare)

    monkeypatch.setattr(tasks, "sealed", meanwhile)
    enqueue_wrapping()
    work()
    assert stored(person) == ours
    assert not wrap_password(UUID(person["id"]), bare=MD5, wrapped="x")


def test_what_takes_long_goes_on_as_another_task(make_user, monkeypatch):
    monkeypatch.setattr(tasks, "WORK_S", -1)
    people = [make_user(password_hash=MD5) for _ in range(3)]
    enqueue_wrapping()
    [row] = claim(LANES["bulk"])
    run(row)
    assert sum(stored(person) == MD5 for person in people) == 2
    work()
    assert all(stored(person) != MD5 for person in people)
    assert TaskRow.objects.filter(name=wrap_digests.module_path).count() == 4  # one for each, and a last look


def test_slots_that_others_need_are_left_to_them(make_user, monkeypatch):
    def busy(bare):
        raise HashingBusy

    person = make_user(password_hash=MD5)
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "sealed", busy)
        enqueue_wrapping()
        work()
    assert stored(person) == MD5
    [later] = queued()
    assert later.due_at > later.enqueued_at
    wrap_digests.call(*later.args["args"])
    assert stored(person) != MD5


def test_a_digest_that_nobody_can_read_stops_no_other(make_user):
    people = [make_user(password_hash=encoded) for encoded in ("fast$md5$broken", "fast$x", MD5)]
    enqueue_wrapping()
    work()
    assert [stored(person) for person in people[:2]] == ["fast$md5$broken", "fast$x"]
    assert stored(people[2]).startswith("argon2_wrapped$")


def test_one_task_waits_at_most_and_none_where_nothing_is_left(make_user):
    enqueue_wrapping()
    assert not queued().exists()
    make_user(password_hash=MD5)
    enqueue_wrapping()
    enqueue_wrapping()
    assert queued().count() == 1
    assert claim(LANES["bulk"])  # begun, it may be past the people of this import
    enqueue_wrapping()
    assert queued().count() == 2


def test_a_worker_looks_for_digests_from_time_to_time(make_user):
    assert look_for_digests in CHORES
    make_user(password_hash=MD5)
    assert look_for_digests() is False
    assert queued().count() == 1


def test_doctor_counts_what_is_left(make_user, doctor):
    assert doctor() == (True, "all imported fast digests are wrapped")
    make_user(password_hash=MD5)
    make_user(password_hash=SSHA)
    make_user(password_hash=SLOW)
    assert doctor() == (False, "2 imported fast digests to wrap: is a worker running?")
    enqueue_wrapping()
    assert doctor() == (True, "2 imported fast digests to wrap")
    work()
    assert doctor() == (True, "all imported fast digests are wrapped")


@pytest.mark.only_on("postgresql", "its planner shows which index")
def test_what_is_left_is_found_without_reading_everybody(make_user):
    """Guard: populace/users/models.py:User.Meta (user_bare_password)."""
    for _ in range(3):
        make_user()
    for query in (
        User.objects.filter(password__startswith="fast$", id__gt=UUID(int=0)).order_by("id")[:100],
        User.objects.filter(password__startswith="fast$").order_by(),
    ):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert "user_bare_password" in query.explain()


@pytest.fixture
def check_password(capsys, monkeypatch):
    """Return `check_password(who, typed) -> (exit code, output, errors)`."""
    import io

    def run(who, typed):
        monkeypatch.setattr(sys, "argv", ["populace", "user", "check-password", who])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return ended.value.code or 0, output.out, output.err

    return run


def test_check_password_ends_with_0_for_the_right_one_alone(make_user, check_password):
    make_user(email="ann@example.com", username="ann", password_hash=MD5)
    assert check_password("ann@example.com", "123456\n") == (0, "", "")
    assert check_password("ann", "123456") == (0, "", "")
    for wrong in ("1234567\n", "\n", "", " 123456\n", "123456 \n"):
        assert check_password("ann", wrong) == (1, "", "populace: wrong_password\n")


def test_check_password_of_somebody_without_one_or_of_nobody(make_user, check_password):
    make_user(username="ann")
    assert check_password("ann", "!\n")[0] == 1
    code, _, error = check_password("bob", "123456\n")
    assert (code, error.split(":")[1].strip()) == (4, "not_found")


def test_check_password_changes_nothing(make_user, check_password):
    person = make_user(username="ann", password_hash=MD5)
    events = Event.objects.count()
    check_password("ann", "123456\n")
    assert stored(person) == MD5
    assert Event.objects.count() == events
