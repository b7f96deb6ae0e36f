"""What `populace seed` leaves alike is made different, so that every filter and order has something to find."""

from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from django.db import connection

from bench.load import insert, populace_token, prepare
from populace.audit.actors import SYSTEM, Actor
from populace.audit.permissions import ALL
from populace.credentials.tokens import digest
from populace.groups.models import Group, Membership
from populace.infra.db.fields import NEVER
from populace.infra.db.ids import new_id
from populace.users.actions import create_users, deactivate_user
from populace.users.models import User

RARE_DOMAIN, COMMON_DOMAIN = "rare.example", "example.com"
RARE_PEOPLE = 60
DEACTIVATED = 30  # by a verb, so that one actor and one action have few events

NUMBER = "substring(username_normal from '[0-9]+$')::int"
"""Of a seeded person; SQL."""

# One in 23 inactive, one in three has signed in (many at the same minute), one in seven changed since. No verb would
# write that; the lists do not mind.
DRESS = f"""UPDATE users_user SET is_active = {NUMBER} % 23 <> 3,
    last_sign_in_at = CASE WHEN {NUMBER} % 3 = 0 THEN date_trunc('minute', date_joined)
        + {NUMBER} % 5000 * interval '1 minute' ELSE last_sign_in_at END,
    updated_at = CASE WHEN {NUMBER} % 7 = 0 THEN date_joined + {NUMBER} % 7000 * interval '1 minute'
        ELSE updated_at END
WHERE {NUMBER} % 23 = 3 OR {NUMBER} % 3 = 0 OR {NUMBER} % 7 = 0"""

AMIDST = f"""UPDATE users_user SET date_joined = {NUMBER} * interval '1 us' +
    (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY date_joined) FROM users_user) WHERE email_domain = %s"""

TOUCHED = f"{NUMBER} % 49 = 7"
"""Whom others change while a list is walked; nobody else."""


@dataclass(frozen=True)
class Directory:
    """What is asked for: filters' values that are there, a token of everything, somebody who did little."""

    secret: str
    values: dict[str, tuple[str, ...]]
    common: str  # a prefix of many
    rare: str  # of one
    rare_actor: Actor

    @property
    def digest(self) -> str:
        """Return what the token is looked up by."""
        return digest(self.secret)


def rare(number: int) -> dict[str, str]:
    """Return the identifiers of one of RARE_PEOPLE."""
    return {"username": f"zz.rare{number}", "email": f"zz{number}@{RARE_DOMAIN}", "external_id": f"rare {number}"}


def dressed() -> Directory:
    """Make the seeded people different, put half of them into a group, and return what there is to ask for."""
    prepare()
    for few in batched(range(RARE_PEOPLE), 20, strict=True):
        create_users([{**rare(n), "last_name": "Zz"} for n in few], by=SYSTEM, quiet=True)
    with connection.cursor() as cursor:
        cursor.execute(DRESS)
        cursor.execute(AMIDST, [RARE_DOMAIN])
    big, small = Group._base_manager.bulk_create([Group(name=name, name_normal=name) for name in ("big", "small")])
    for group, rest in (big, f"{NUMBER} % 2 = 0"), (small, f"{NUMBER} < 300"):
        source = f"(SELECT id, date_joined FROM users_user WHERE {rest} ORDER BY id) p"
        insert(Membership, {"user": "id", "group": f"'{group.pk}'::uuid", "since": "date_joined"}, source)
    actor = Actor(id=new_id(), request_id="bench", address="192.0.2.1", user_agent="bench", permissions=ALL)
    active = User._base_manager.filter(is_active=True).order_by("pk").values_list("pk", flat=True)
    for id in active[1 :: User._base_manager.count() // DEACTIVATED]:
        deactivate_user(id, by=actor)
    secret = populace_token()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")  # as autovacuum would have by now
    values = {
        "is_active": ("true", "false"),
        "domain": (COMMON_DOMAIN, RARE_DOMAIN),
        "group": (str(big.pk), str(small.pk)),
        **ranges(),
    }
    return Directory(secret, values, "al", "zz.rare7", actor)


def ranges() -> dict[str, tuple[str, ...]]:
    """Return values of the filters by time: from after a tenth to before nine tenths of the people who have one."""
    found: dict[str, tuple[str, ...]] = {}
    for name, column in ("joined", "date_joined"), ("last_login", "last_sign_in_at"), ("updated", "updated_at"):
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY {column}) FROM users_user"
                f" WHERE {column} > %s",
                [NEVER],
            )
            [[(low, high)]] = cursor.fetchall()
        found |= {f"{name}_after": (_text(low),), f"{name}_before": (_text(high),)}
    return found


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
