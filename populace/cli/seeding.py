"""`populace seed`: made-up people in any number, then a database that knows how many there are."""

import time

from django.db import connections

from populace.audit.dispatch import dispatch
from populace.audit.models import Event, Feed, Outbox
from populace.cli import demo
from populace.cli.output import Report
from populace.infra.db.patience import patient
from populace.users.models import Identifier, User


def seed(count: int, *, report: Report) -> None:
    """Create `count` people; returns when their events are in the feed and, on PostgreSQL, statistics are new."""
    with patient():
        start = User.objects.count()
    demo.create(count, start=start, report=report)
    while Outbox.objects.exists():
        if not dispatch():  # the worker is at it
            time.sleep(0.05)
    analyze()


def analyze() -> None:
    """Have PostgreSQL count anew what a seed fills: until autovacuum comes by, it would plan for empty tables."""
    alias = "owner" if "owner" in connections else "default"
    connection = connections[alias]
    if connection.vendor != "postgresql":
        return
    for model in (User, Identifier, Event, Feed, Outbox):
        with patient(alias), connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
