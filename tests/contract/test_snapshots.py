"""A snapshot shows one moment and makes nobody wait."""

from threading import Thread

import pytest
from django.db import Error, connection, transaction

from populace.infra.db.snapshots import snapshot
from populace.users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def elsewhere(work):
    """Do it in a thread, so on a connection of its own; it must be done within the seconds a writer would wait."""

    def run():
        try:
            work()
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join(3)
    assert not thread.is_alive()


def test_what_others_commit_meanwhile_is_not_seen_and_they_do_not_wait(make_user):
    """Guard: populace/infra/db/snapshots.py:snapshot."""
    make_user()
    with snapshot():
        assert User.objects.count() == 1
        elsewhere(make_user)
        assert User.objects.count() == 1
    assert User.objects.count() == 2
    make_user()  # the next transaction is a writer's again


@pytest.mark.only_on("postgresql", "SQLite's readers become writers when they write")
def test_a_snapshot_writes_nothing(make_user):
    with pytest.raises(Error, match="read-only"), snapshot():
        make_user()


def test_a_snapshot_does_not_join_another_transaction():
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic(), snapshot():
        pass
