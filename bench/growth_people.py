"""Grows a migrated database in place, from some people to more: `python -m bench.growth_people FROM TO LAST UNTIL`.

Person n is the same at every size: LAST people (the largest size) are spread over five years that end at UNTIL, so who
comes later has joined later. One in 100 has a last name of their own, for searches that few people answer to.
Secondary indexes, and the key of identifiers, are dropped first and built again from all rows; two connections share
the work. Printed at FROM 0: a token that opens the API.
"""

import sys
import time
import unicodedata
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import django
from django.db import connection

from bench import people
from bench.load import GROUPS, check_identifiers, insertion, make_groups, person_of, populace_token, unhurried
from bench.stage import CORES, say

CHUNK = 500_000
"""People of one INSERT."""

TABLES = ("users_user", "users_identifier", "groups_membership")

# Those that take longest to build come first. The key of people stays: foreign keys lead to it, and it only grows at
# its end.
INDEXES = """SELECT c.relname, t.relname, i.indisprimary, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
WHERE t.relname = ANY(%s) AND (NOT i.indisunique OR c.relname = 'users_identifier_pkey')
ORDER BY pg_get_indexdef(i.indexrelid) LIKE '%% USING gin %%' DESC, pg_relation_size(i.indexrelid) DESC"""

RARE_EVERY, RARE_REST = 100, 7
RARE = "translate(substr(md5('rare' || n), 1, 10), '0123456789abcdef', 'bdgklmnprstvaeio')"
"""Ten letters that hardly anybody else's name has in this order."""


class Index(NamedTuple):
    """An index that is away while rows come in; `definition` makes it again."""

    name: str
    table: str
    is_key: bool
    definition: str


def joined(last: int, until: str) -> str:
    """Return when person n joined."""
    return people.joined(last, f"timestamptz '{until}'")


def is_rare(yes: str, no: str) -> str:
    return f"CASE WHEN n % {RARE_EVERY} = {RARE_REST} THEN {yes} ELSE {no} END"


def begin() -> None:
    """Ready the connection of a thread: no time limits, no waiting for disks, no look-ups of foreign keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET statement_timeout = 0; SET lock_timeout = 0; SET synchronous_commit = off; SET work_mem = '256MB';"
            " SET maintenance_work_mem = '1536MB'; SET max_parallel_maintenance_workers = 0;"
            " SET session_replication_role = replica"
        )


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def told(statement: str) -> None:
    """Run one statement of many and tell how long it took."""
    began = time.monotonic()
    run(statement)
    what = " ".join(statement.split()[: 6 if statement.startswith("CREATE") else 3])
    if (seconds := time.monotonic() - began) > 1:
        say(f"{seconds:5.0f} s  {what}")


def at_once(statements: Iterable[str]) -> None:
    """Run statements on as many connections as there are cores."""
    with ThreadPoolExecutor(len(CORES), initializer=begin) as pool:
        for _ in pool.map(told, statements):
            pass


def take_indexes_away() -> list[Index]:
    with connection.cursor() as cursor:
        cursor.execute(INDEXES, [list(TABLES)])
        found = [Index(*row) for row in cursor.fetchall()]
    for index in found:
        run(f"ALTER TABLE {index.table} DROP CONSTRAINT {index.name}" if index.is_key else f"DROP INDEX {index.name}")
    return found


def put_indexes_back(indexes: list[Index]) -> None:
    at_once(index.definition for index in indexes)
    for index in indexes:
        if index.is_key:
            run(f"ALTER TABLE {index.table} ADD CONSTRAINT {index.name} PRIMARY KEY USING INDEX {index.name}")


def source_of(numbers: range, when: str) -> str:
    """Return a row of n, id, at, username and email for each number; OFFSET keeps them from being made again."""
    series = f"generate_series({numbers.start}, {numbers.stop - 1}) n"
    named = (
        f"(SELECT n, {when} AS at, {people.USERNAME} AS username, {people.DOMAIN} AS domain FROM {series} OFFSET 0) a"
    )
    id = people.uuid7("at", "'person' || n")
    return f"(SELECT *, {id} AS id, username || '@' || domain AS email FROM {named} OFFSET 0) b"


def insertions(numbers: range, when: str) -> list[str]:
    """Return the statements that make some people: themselves, their identifiers, their groups."""
    from populace.groups.models import Membership
    from populace.users.models import Identifier, User

    person = person_of("at") | {
        "id": "id",
        **dict.fromkeys(("username", "username_normal"), "username"),
        **dict.fromkeys(("email", "email_normal"), "email"),
        "email_domain": "domain",
        "is_active": "n % 23 <> 3",
        "last_name": is_rare(f"initcap({RARE})", people.LAST_NAME),
        "last_name_normal": is_rare(RARE, people.LAST_NAME_NORMAL),
    }
    claims = "'email:' || email, 'username:' || username, 'confusable:' || username"
    claim = {"key": "claim", "user_id": "id", "unicode_version": f"'{unicodedata.unidata_version}'"}
    member = {"user": "id", "group": f"{GROUPS}[{people.GROUP_OF}]", "since": "at"}
    source = source_of(numbers, when)
    return [
        insertion(User, person, source),
        insertion(Identifier, claim, f"{source}, unnest(ARRAY[{claims}]) claim"),
        insertion(Membership, member, f"{source}, generate_series(0, {people.GROUPS_EACH - 1}) k"),
    ]


def grow(before: int, after: int, when: str) -> None:
    begin()
    indexes = take_indexes_away()
    chunks = [range(start, min(start + CHUNK, after + 1)) for start in range(before + 1, after + 1, CHUNK)]
    at_once(statement for chunk in chunks for statement in insertions(chunk, when))
    put_indexes_back(indexes)
    at_once(f"VACUUM (ANALYZE) {table}" for table in TABLES)
    run("ANALYZE")


def main(before: int, after: int, last: int, until: str) -> None:
    django.setup()
    unhurried()
    if not before:
        begin()
        make_groups()
    grow(before, after, joined(last, until))
    if not before:
        check_identifiers()
        print(populace_token())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), sys.argv[4])
