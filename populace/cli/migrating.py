"""The schema: Django's migrations, then the months that events are kept in."""

from django.conf import settings
from django.core.management import call_command

from populace.audit.models import Event
from populace.infra.db.partitions import ensure_month_partitions


def migrate() -> None:
    """Bring the schema to this version, as DATABASE_OWNER_URL where there is one. Does nothing twice."""
    alias = "owner" if "owner" in settings.DATABASES else "default"
    call_command("migrate", database=alias, verbosity=0, interactive=False)
    ensure_month_partitions(Event, "at", using=alias)
