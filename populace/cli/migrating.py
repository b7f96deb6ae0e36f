"""The schema: Django's migrations, then the months that events are kept in, then who may do what."""

from django.conf import settings
from django.core.management import call_command

from populace.audit.models import Event
from populace.infra.db.partitions import ensure_month_partitions
from populace.infra.db.rights import grant


def migrate() -> None:
    """Bring the schema to this version, as DATABASE_OWNER_URL where there is one. Does nothing twice.

    The role of DATABASE_URL, if it is another one, may then add to the log and blank its details, and change nothing
    else of it.
    """
    alias = "owner" if "owner" in settings.DATABASES else "default"
    call_command("migrate", database=alias, verbosity=0, interactive=False)
    ensure_month_partitions(Event, "at", using=alias)
    role = settings.DATABASES["default"].get("USER")
    if role and role != settings.DATABASES[alias].get("USER"):
        grant(role, log=Event, changeable=["details"], using=alias)
