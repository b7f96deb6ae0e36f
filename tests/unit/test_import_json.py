"""What the readers of JSON Lines and of Kratos make of real and of broken files."""

import json
from pathlib import Path

import pytest

from populace.bulk.errors import FileRefused
from populace.bulk.formats import jsonl, keycloak, kratos, lines
from populace.bulk.rows import Row

KRATOS = Path(__file__).parent.parent / "data" / "kratos-identities.jsonl"


def read(reader, tmp_path, *values: object) -> list[Row]:
    """Read a file with a line for each value; text stands as it is."""
    path = tmp_path / "file"
    path.write_text("\n".join(value if isinstance(value, str) else json.dumps(value) for value in values))
    return list(reader.rows(path))


def told(row: Row) -> list[tuple[str, str]]:
    return [(fault.field, fault.code) for fault in row.faults]


def test_a_line_is_a_person_with_all_that_an_operator_may_say(tmp_path):
    person = {
        "email": "ann@example.org",
        "kind": "person",
        "attributes": {"team": {"name": "red"}, "sizes": [1, 2]},
        "is_active": False,
        "email_verified": True,
        "password": "open sesame",
        "groups": ["editors", {"id": "01a21037-4bdf-7000-9423-333b9e0c4f0a", "name": "authors"}],
    }
    (row,) = read(jsonl, tmp_path, person)
    assert row.values == {name: person[name] for name in ("email", "kind", "attributes")}
    assert (row.is_active, row.email_verified, row.password) == (False, True, "open sesame")
    assert (row.groups, row.faults, row.sent) == (("editors", "authors"), (), person)


def test_what_is_not_said_stays_open(tmp_path):
    row, null = read(jsonl, tmp_path, {"email": "a@example.org"}, {"email": None, "is_active": None, "groups": None})
    assert (row.is_active, row.email_verified, row.password, row.groups) == (None, None, "", ())
    assert (null.values, null.is_active, null.groups) == ({"email": None}, None, ())


def test_every_fault_of_a_line_is_told(tmp_path):
    wrong = {
        "username": "a",
        "is_active": "yes",
        "email_verified": 1,
        "password": 3,
        "password_hash": "x",
        "groups": "a",
    }
    (row,) = read(jsonl, tmp_path, wrong)
    assert told(row) == [
        ("is_active", "invalid"),
        ("email_verified", "invalid"),
        ("password", "invalid"),
        ("password_hash", "hash_unknown"),
        ("groups", "invalid"),
    ]


def test_what_an_error_file_added_is_passed_over(tmp_path):
    sent = {"username": "a", "row": 3, "code": "invalid", "reason": "email: Not an e-mail address."}
    (row,) = read(jsonl, tmp_path, sent)
    assert row.values == {"username": "a"}


@pytest.mark.parametrize("bad", ["{", "3", '["x"]', "x" * (lines.LINE_MAX + 1), "[" * 5000, '{"a": 1}{"b": 2}'])
def test_a_line_that_is_no_object_spoils_itself_only(tmp_path, bad):
    """populace/bulk/formats/lines.py:_sent, _lines"""
    first, wrong, last = read(jsonl, tmp_path, {"username": "a"}, "", bad, {"username": "b"})
    assert [row.number for row in (first, wrong, last)] == [1, 2, 3]
    assert told(wrong) == [("", "malformed")]
    assert (first.values, last.values) == ({"username": "a"}, {"username": "b"})


IDENTITY = {
    "id": "9f425a8d-7efc-4768-8f23-7647a74fdf13",
    "schema_id": "default",
    "state": "inactive",
    "traits": {
        "email": "ann@example.org",
        "username": "ann",
        "name": {"first": "Ann", "last": "Lee"},
        "team": {"name": "red"},
    },
    "verifiable_addresses": [{"value": "Ann@example.org", "verified": True, "via": "email", "status": "completed"}],
    "metadata_admin": {"note": "x"},
    "created_at": "2024-01-01T00:00:00Z",
    "credentials": {
        "password": {"config": {"password": "open sesame"}},
        "oidc": {"config": {"providers": [{"provider": "github", "subject": "1"}]}},
        "totp": {"config": {"totp_url": "otpauth://totp/x"}},
    },
}


def test_an_identity_is_read_with_all_that_has_a_place_here(tmp_path):
    (row,) = read(kratos, tmp_path, IDENTITY)
    assert row.values == {
        "email": "ann@example.org",
        "username": "ann",
        "first_name": "Ann",
        "last_name": "Lee",
        "attributes": {"team": {"name": "red"}},
        "external_id": "9f425a8d-7efc-4768-8f23-7647a74fdf13",
    }
    assert (row.is_active, row.email_verified, row.password, row.password_hash) == (False, True, "open sesame", "")
    assert row.left_out == {
        "created_not_kept",
        "federated_identities_not_imported",
        "metadata_not_imported",
        "second_factor_not_imported",
    }


@pytest.mark.parametrize("external_id", ["", "crm-7"])
def test_the_external_id_of_an_identity_goes_before_its_id(tmp_path, external_id):
    (row,) = read(kratos, tmp_path, IDENTITY | {"external_id": external_id})
    assert row.values["external_id"] == external_id or IDENTITY["id"]


def test_what_an_identity_does_not_say_stays_open(tmp_path):
    bare, other = read(
        kratos,
        tmp_path,
        {"traits": {"email": "a@example.org"}},
        IDENTITY | {"state": "active", "verifiable_addresses": [{"value": "b@example.org", "verified": True}]},
    )
    assert (bare.is_active, bare.email_verified, bare.password_hash) == (None, None, "")
    assert (other.is_active, other.email_verified) == (True, None)


@pytest.mark.parametrize(
    "content",
    [
        [IDENTITY, IDENTITY],
        {"identities": [{"create": IDENTITY, "patch_id": "1"}, {"create": IDENTITY}]},
        f"{json.dumps(IDENTITY)}\n{json.dumps(IDENTITY)}\n",
        json.dumps([IDENTITY] * 2, indent=2),
    ],
    ids=["list", "import body", "lines", "indented list"],
)
def test_identities_come_as_a_list_as_lines_or_as_an_import_body(tmp_path, content):
    rows = read(kratos, tmp_path, content)
    assert [row.values["username"] for row in rows] == ["ann", "ann"]
    assert [row.number for row in rows] == [1, 2]


def test_an_identity_of_another_shape_is_a_bad_row(tmp_path):
    rows = read(kratos, tmp_path, [{"traits": {}}, {"traits": 3}, {}, "x", IDENTITY | {"state": "maybe"}, IDENTITY])
    assert [[code for _, code in told(row)] for row in rows] == [[], *[["malformed"]] * 4, []]


@pytest.mark.parametrize("content", ["", "[]", '{"identities": []}', "{", '{"a": 1'])
def test_a_file_without_identities_is_refused(tmp_path, content):
    with pytest.raises(FileRefused):
        read(kratos, tmp_path, content)


def test_the_sample_of_kratos_has_a_hash_on_every_line():
    rows = list(kratos.rows(KRATOS))
    assert len(rows) == 9
    assert all(row.password_hash and not row.faults for row in rows)


def test_what_no_place_is_known_for_is_told_as_well(tmp_path):
    """Guards: populace/bulk/formats/fields.py:left_out"""
    (row,) = read(kratos, tmp_path, IDENTITY | {"shoe_size": 43, "schema_url": "https://example.org", "empty": []})
    assert "other_fields_not_imported" in row.left_out
    hook = {
        "credentials": {"password": {"config": {"use_password_migration_hook": True}}, "saml": {"config": {"x": 1}}}
    }
    (row,) = read(kratos, tmp_path, {"traits": {"email": "a@example.org"}} | hook)
    assert row.left_out == {"password_not_imported", "federated_identities_not_imported"}
    realm = tmp_path / "realm"
    realm.write_text(
        json.dumps({"users": [{"username": "a", "notBefore": 1}, {"username": "b", "clientConsents": [1]}]})
    )
    assert [row.left_out for row in keycloak.rows(realm)] == [set(), {"other_fields_not_imported"}]
