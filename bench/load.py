"""Fills an empty, migrated database with people: `python -m bench.load populace|naive ROWS`.

Runs with the settings of the project it fills. Set-based, one INSERT per table; columns that nobody names take their
field's default, so a new column needs no change here. `populace` prints a token that opens its API.
"""

import sys
import unicodedata
from collections.abc import Mapping

import django
from django.db import connection
from django.db.models import Field, Model
from psycopg import sql

from bench import people
from populace.infra.db import wire

# The secondary indexes of the tables being filled: dropped first and built again from all rows, which is faster.
# (Those behind a constraint stay.)
INDEXES = """SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %s::regclass AND NOT i.indisunique"""

OTHERS = {
    "email_verified": "n % 5 > 0",
    "locale": people.pick(["en", "de", "es", "ja", "pt-BR"]),
    "timezone": people.pick(["Europe/Berlin", "America/New_York", "Asia/Tokyo"]),
    "attributes": "jsonb_build_object('department', 'D' || n % 40)",
}
"""What both projects keep of a person in columns of the same name."""


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def default_of(field: Field) -> str:
    value = field.get_db_prep_save(field.get_default(), connection)
    return sql.Literal(value).as_string(connection.connection)


def insertion(model: type[Model], given: Mapping[str, str], source: str) -> str:
    """Return the INSERT of a row of `model` per row of `source`: `given` expressions by field name, else defaults."""
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    columns = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    values = ", ".join(given.get(field.name) or default_of(field) for field in fields)
    table = connection.ops.quote_name(model._meta.db_table)
    return f"INSERT INTO {table} ({columns}) SELECT {values} FROM {source}"


def insert(model: type[Model], given: Mapping[str, str], source: str) -> None:
    """Run an insertion with the table's secondary indexes built anew behind it."""
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(INDEXES, [table])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {connection.ops.quote_name(name)}")
        cursor.execute(insertion(model, given, source))
        for _, definition in indexes:
            cursor.execute(definition)


def unhurried() -> None:
    """Let what this process asks take its time, on as many connections as it likes; to be called before it has any."""
    wire.ANSWER_S = float("inf")
    connection.settings_dict["POOL"] = {"max": 100}


def prepare() -> None:
    """Open the connection; no timeouts, no foreign key look-ups for rows that are right by construction."""
    unhurried()
    run("SET statement_timeout = 0; SET maintenance_work_mem = '512MB'; SET session_replication_role = replica")


def person_of(joined: str) -> dict[str, str]:
    """Return the columns of Populace's person n, who joined then; all are expressions."""
    return {
        "id": people.uuid7(joined, "'person' || n"),
        "username": people.USERNAME,
        "username_normal": people.USERNAME,
        "email": people.EMAIL,
        "email_normal": people.EMAIL,
        "email_domain": people.DOMAIN,
        "first_name": people.FIRST_NAME,
        "first_name_normal": people.FIRST_NAME_NORMAL,
        "last_name": people.LAST_NAME,
        "last_name_normal": people.LAST_NAME_NORMAL,
        "date_joined": joined,
        "updated_at": joined,
        **OTHERS,
    }


def fill_populace(rows: int) -> None:
    from populace.groups.models import Membership
    from populace.users.models import Identifier, User

    insert(User, person_of(people.joined(rows)), f"generate_series(1, {rows}) n")

    keys = """(SELECT id AS owner, 'email:' || email_normal AS claim FROM users_user
        UNION ALL SELECT id, 'username:' || username_normal FROM users_user
        UNION ALL SELECT id, 'confusable:' || username_normal FROM users_user ORDER BY 2) k"""  # of ASCII: itself
    version = f"'{unicodedata.unidata_version}'"
    insert(Identifier, {"key": "claim", "user_id": "owner", "unicode_version": version}, keys)

    make_groups()
    # Ids of people are in the order of their numbers.
    numbered = "(SELECT id, date_joined, row_number() OVER (ORDER BY id) AS n FROM users_user) p"
    member = {"user": "id", "group": f"{GROUPS}[{people.GROUP_OF}]", "since": "date_joined"}
    insert(Membership, member, f"{numbered}, generate_series(0, {people.GROUPS_EACH - 1}) k")
    check_identifiers()


GROUPS = "(ARRAY(SELECT id FROM groups_group ORDER BY name))"


def make_groups() -> None:
    from populace.groups.models import Group

    name = people.GROUP_NAME
    group = {"id": people.group_id("g"), "name": name, "name_normal": f"lower({name})"}
    insert(Group, group, f"generate_series(1, {people.GROUPS}) g")


def check_identifiers() -> None:
    """Stop when Populace would claim other identifiers for these people than the ones loaded."""
    from populace.users.identifiers import claims
    from populace.users.models import Identifier, User

    for person in User.objects.order_by()[:100]:
        expected = sorted(claim.key for claim in claims(person))
        assert expected == sorted(Identifier.objects.filter(user_id=person.pk).values_list("key", flat=True)), expected


def populace_token() -> str:
    from populace.audit.actors import SYSTEM
    from populace.credentials.actions import create_token
    from populace.groups.models import Role, RoleAssignment
    from populace.users.models import User

    owner = User.objects.order_by("pk").values_list("pk", flat=True)[0]
    role = Role.objects.get(name="owner")
    RoleAssignment._base_manager.bulk_create([RoleAssignment(user_id=owner, role=role)])
    return create_token(owner_id=owner, name="bench", scopes=["admin"], by=SYSTEM)[1]


def fill_naive(rows: int) -> None:
    from django.contrib.auth.models import Group

    from bench.naive.models import User

    person = {
        "id": "n",
        "username": people.USERNAME,
        "email": people.EMAIL,
        "first_name": people.FIRST_NAME,
        "last_name": people.LAST_NAME,
        "date_joined": people.joined(rows),
        "updated_at": people.joined(rows),
        **OTHERS,
    }
    insert(User, person, f"generate_series(1, {rows}) n")
    insert(Group, {"id": "g", "name": people.GROUP_NAME}, f"generate_series(1, {people.GROUPS}) g")
    member = {"id": f"n * {people.GROUPS_EACH} + k", "user": "n", "group": people.GROUP_OF}
    source = f"generate_series(1, {rows}) n, generate_series(0, {people.GROUPS_EACH - 1}) k"
    insert(User.groups.through, member, source)
    run(f"SELECT setval(pg_get_serial_sequence('naive_user', 'id'), {rows})")


def main(project: str, rows: int) -> None:
    django.setup()
    prepare()
    if project == "naive":
        fill_naive(rows)
    else:
        fill_populace(rows)
    run("VACUUM (ANALYZE)")
    if project == "populace":
        print(populace_token())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
