"""Made-up people on PostgreSQL: one statement from generate_series.

Its text is made of names from our models and of the expressions below alone (so S608 does not apply); every value is a
parameter.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from psycopg.types.json import Jsonb

from populace.audit.actors import Actor
from populace.infra.db.compiled import bare_type
from populace.infra.db.ids import reserve
from populace.infra.db.patience import patient
from populace.infra.db.write_postgresql import UNIQUE_VIOLATION, name_of, names_of
from populace.infra.db.write_terms import columns, prepared
from populace.users.actions import created
from populace.users.errors import IdentifierTaken
from populace.users.identifiers import claims, name_normal
from populace.users.models import Identifier
from populace.users.rows import new_user

if TYPE_CHECKING:
    from populace.users.seeding import Cast

# A UUIDv7 of one of the stamps that ids.reserve() has set aside; its random bits are those of a version 4.
NEW_ID = (
    "(lpad(to_hex(({0}) >> 12), 12, '0') || '7' || lpad(to_hex(({0}) & 4095), 3, '0')"
    " || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid"
)

PEOPLE = f"""people AS MATERIALIZED (
    SELECT {NEW_ID.format("%(stamp)s + 2 * row")} AS id, {NEW_ID.format("%(stamp)s + 2 * row + 1")} AS event_id,
        %(at)s::timestamptz + row * interval '1 microsecond' AS at, letters || number AS username,
        letters || number || '@' || domain AS email, domain,
        locale, timezone, first_name, last_name, first_normal, last_normal
    FROM (
        SELECT number, number - %(start)s AS row, number %% %(groups)s AS place,
            number / %(groups)s %% (%(sizes)s::bigint[])[number %% %(groups)s + 1] AS turn,
            (%(domains)s::text[])[number %% %(domain_count)s + 1] AS domain
        FROM generate_series(%(start)s::bigint, %(last)s::bigint) AS number
    ) AS numbers
    JOIN unnest(%(places)s::bigint[], %(turns)s::bigint[], %(locale)s::text[], %(timezone)s::text[],
        %(first_name)s::text[], %(last_name)s::text[], %(letters)s::text[], %(first_normal)s::text[],
        %(last_normal)s::text[]) AS samples
        (place, turn, locale, timezone, first_name, last_name, letters, first_normal, last_normal) USING (place, turn)
    ORDER BY number
)"""  # noqa: S608

# What differs from person to person, by column of each table; everything else is as in the pattern.
PERSON = {
    "id": "id",
    "username": "username",
    "username_normal": "username",
    "email": "email",
    "email_normal": "email",
    "email_domain": "domain",
    "first_name": "first_name",
    "first_name_normal": "first_normal",
    "last_name": "last_name",
    "last_name_normal": "last_normal",
    "locale": "locale",
    "timezone": "timezone",
    "date_joined": "at",
    "updated_at": "at",
}
CLAIM = {"key": "key", "user_id": "id"}
HELD = {"email": "email", "username": "username", "confusable": "username"}  # the letters look like themselves alone
EVENT = {"id": "event_id", "subject_id": "id", "at": "at"}
OUTBOX = {"event_id": "event_id", "subject_id": "id", "at": "at"}


def seed(connection: BaseDatabaseWrapper, cast: "Cast", numbers: range, by: Actor) -> None:
    """Do what seed_users says."""
    text, values = statement(connection, cast, numbers, by)
    try:
        with patient(connection.alias), connection.cursor() as cursor:
            cursor.execute(text, values)
    except IntegrityError as error:
        told: Any = error.__cause__
        if told.sqlstate == UNIQUE_VIOLATION and told.diag.table_name == Identifier._meta.db_table:
            raise IdentifierTaken(("email", "username")) from error
        raise


def statement(connection: BaseDatabaseWrapper, cast: "Cast", numbers: range, by: Actor) -> tuple[str, dict[str, Any]]:
    """Return the statement, and its values by name."""
    person = new_user(cast.person(numbers.start))
    event, outbox = created(person, by=by, quiet=True)
    claim, *more = claims(person)
    kinds = [each.key.partition(":")[0] for each in (claim, *more)]
    keys = ", ".join(f"'{kind}:' || {HELD[kind]}" for kind in kinds)
    values = arguments(cast, numbers, person.date_joined)
    event_columns = EVENT | {"details": details(event, values)}
    parts = [
        PEOPLE,
        f"persons AS ({insert(person, PERSON, 'people', values, connection)})",
        f"claims AS ({insert(claim, CLAIM, f'people, unnest(ARRAY[{keys}]) AS key', values, connection)})",
        f"events AS ({insert(event, event_columns, 'people', values, connection)})",
    ]
    return f"WITH {', '.join(parts)} {insert(outbox, OUTBOX, 'people', values, connection)}", values


def arguments(cast: "Cast", numbers: range, at: datetime) -> dict[str, Any]:
    """Return what the people are made from."""
    samples = [(place, turn, sample) for place, group in enumerate(cast.groups) for turn, sample in enumerate(group)]
    return {
        "stamp": reserve(2 * len(numbers)),  # a person's id and their event's
        "at": at,
        "start": numbers.start,
        "last": numbers.stop - 1,
        "groups": len(cast.groups),
        "sizes": [len(group) for group in cast.groups],
        "domains": list(cast.domains),
        "domain_count": len(cast.domains),
        "places": [place for place, _, _ in samples],
        "turns": [turn for _, turn, _ in samples],
        "first_normal": [name_normal(sample.first_name) for _, _, sample in samples],
        "last_normal": [name_normal(sample.last_name) for _, _, sample in samples],
    } | {
        name: [getattr(sample, name) for _, _, sample in samples]
        for name in ("locale", "timezone", "first_name", "last_name", "letters")
    }


def insert(
    pattern: Model, varied: Mapping[str, str], source: str, values: dict[str, Any], connection: BaseDatabaseWrapper
) -> str:
    """Return an INSERT of rows like `pattern` but for the columns `varied`; adds the values it needs."""
    model, expressions = type(pattern), []
    for field in columns(model):
        if (expression := varied.get(field.attname)) is None:
            name = f"{model.__name__}.{field.attname}"
            values[name] = prepared(field, pattern, connection, add=True)
            expression = f"%({name})s::{bare_type(field, connection)}"
        expressions.append(expression)
    names = ", ".join(names_of(columns(model), connection))
    return f"INSERT INTO {name_of(model, connection)} ({names}) SELECT {', '.join(expressions)} FROM {source}"  # noqa: S608


def details(event: Any, values: dict[str, Any]) -> str:
    """Return the expression of an event's details; adds the values it needs."""
    values["details"] = Jsonb(event.details)
    pairs = []
    for name, change in event.details["changes"].items():
        values[f"changes.{name}"] = Jsonb(change["new"])
        new = PERSON.get(name) or f"%(changes.{name})s::jsonb"
        pairs.append(f"'{name}', jsonb_build_object('old', NULL, 'new', {new})")
    return f"%(details)s::jsonb || jsonb_build_object('changes', jsonb_build_object({', '.join(pairs)}))"
