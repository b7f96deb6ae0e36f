"""Two operators store a schema at the same moment: versions are counted by the database."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.sql import rows

SCHEMA = "/api/v1/attribute-schema"


@pytest.mark.parametrize("known", [False, True], ids=["without If-Match", "with If-Match"])
def test_each_version_is_one_schema_and_none_is_lost(server, known):
    """Guard: populace/users/attributes_actions.py:replace_schema (Duplicate)."""
    etag = server.http.get(SCHEMA).headers["ETag"]
    headers = {"If-Match": etag} if known else {}

    def put(n):
        return server.http.put(SCHEMA, json={"maxProperties": n + 1}, headers=headers).status_code

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(put, range(4)))
    stored = rows(server.env["DATABASE_URL"], "SELECT version, schema FROM users_attributeschema ORDER BY version")
    assert [version for version, _ in stored] == [*range(1, codes.count(200) + 1)]
    assert set(codes) <= {200, 412}
    assert len({schema for _, schema in stored}) == len(stored)
    if known:
        assert codes.count(200) == 1
    events = rows(server.env["DATABASE_URL"], "SELECT id FROM audit_event WHERE action = 'attribute_schema.updated'")
    assert len(events) == len(stored)
