"""The retry place (populace/infra/db/retry.py) itself: what is done anew, and what is never."""

import inspect
import time
from importlib import import_module
from uuid import uuid4

import psycopg
import pytest
from django.db import InternalError, OperationalError, connection, transaction
from django.utils.timezone import now

from populace.api.problems import problem_of
from populace.audit.actions import recorded
from populace.audit.actors import SYSTEM
from populace.infra.db.causes import Cause, cause_of
from populace.infra.db.retry import REPEATS, atomic, retried
from populace.infra.db.write import write
from populace.users.models import User
from tests.support.processes import ROOT

VERBS = ["users.actions", "users.attributes_actions", "groups.actions", "credentials.actions", "logins.actions"]
MAKES_ROWS = {"created"}  # takes an actor, but writes nothing


class Deadlock(Exception):
    sqlstate = "40P01"


class Verb:
    """Fails as often as it is told to; `began` counts its tries."""

    def __init__(self, times: int) -> None:
        self.left, self.began = times, 0

    @retried
    def __call__(self, before=lambda: None) -> int:
        self.began += 1
        before()
        if self.left:
            self.left -= 1
            raise OperationalError from Deadlock()
        return self.began


@pytest.mark.parametrize("module", VERBS)
def test_every_verb_passes_by_it(module):
    """Guard: each `@retried` of populace/*/actions.py."""
    found = vars(import_module(f"populace.{module}"))
    verbs = {
        name: one
        for name, one in found.items()
        if inspect.isfunction(one) and one.__module__ == f"populace.{module}" and not name.startswith("_")
        if "by" in inspect.signature(one).parameters and name not in MAKES_ROWS
    }
    assert verbs
    assert [name for name, verb in verbs.items() if not hasattr(verb, "__wrapped__")] == []


def test_no_domain_holds_a_transaction_that_it_could_not_follow():
    """Guard: populace/infra/db/retry.py:atomic, in place of Django's: a lost COMMIT would be done twice."""
    folders = ["users", "groups", "credentials", "logins", "console"]
    files = [path for folder in folders for path in (ROOT / "populace" / folder).rglob("*.py")]
    ours = [path for path in files if "migrations" not in path.parts]
    assert [path.name for path in ours if "transaction.atomic" in path.read_text()] == []


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_done_anew_three_times_and_then_told():
    assert Verb(REPEATS)() == REPEATS + 1
    verb = Verb(REPEATS + 1)
    with pytest.raises(OperationalError):
        verb()
    assert verb.began == REPEATS + 1


@pytest.mark.django_db(transaction=True)
def test_within_a_transaction_or_another_verb_nothing_is_done_anew():
    """Guard: retried (only who holds the whole can repeat it)."""
    verb = Verb(1)
    with transaction.atomic(), pytest.raises(OperationalError):
        verb()
    assert verb.began == 1

    inner, outer = Verb(1), Verb(0)
    assert outer(before=inner) == 2
    assert (inner.began, outer.began) == (2, 2)


def commit() -> None:
    with atomic(User):
        pass


def write_alone() -> None:
    write(recorded(subject_id=uuid4(), subject_kind="user", action="user.updated", by=SYSTEM, at=now()))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [commit, write_alone])
def test_a_verb_that_has_committed_something_is_not_begun_again(before):
    """Guards: bears_repeat (`done`), atomic, populace/infra/db/write.py:write."""
    verb = Verb(1)
    with pytest.raises(OperationalError):
        verb(before=before)
    assert verb.began == 1


@pytest.mark.only_on("postgresql", "only there is it ended")
@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_idles_too_long_is_a_lost_connection():
    """Guards: populace/infra/db/causes.py:CAUSES (25P03, which no driver calls operational), problems.py:problem_of."""

    def idle() -> None:
        with atomic(User), connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 50")
            time.sleep(0.5)
            cursor.execute("SELECT 1")

    with pytest.raises(InternalError) as raised:
        idle()
    assert isinstance(raised.value.__cause__, psycopg.errors.IdleInTransactionSessionTimeout)
    assert cause_of(raised.value) is Cause.LOST
    assert problem_of(raised.value).code == "unavailable"
    assert problem_of(InternalError()).code == "internal"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # by another connection
