"""What the readers of CSV and Keycloak files make of real and of broken ones; other JSON: test_import_json.py."""

import json

import pytest

from populace.bulk.errors import FileRefused
from populace.bulk.formats import csv, json_stream, keycloak, tables
from populace.bulk.formats.recognition import recognised
from populace.bulk.rows import Row


def read(reader, tmp_path, content: bytes | str | dict | list) -> list[Row]:
    path = tmp_path / "file"
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(content)
    return list(reader.rows(path))


def codes(row: Row) -> list[str]:
    return [fault.code for fault in row.faults]


def reason(row: Row) -> str:
    return row.faults[0].detail


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_csv_is_read_whatever_its_delimiter_and_byte_order_mark(tmp_path, delimiter, mark):
    lines = [["E-Mail", "firstName", "attributes.team"], ["zoë@example.org", "Zoë", "red"], ["b@example.org", "", ""]]
    text = "\r\n".join(delimiter.join(cells) for cells in lines)
    first, second = read(csv, tmp_path, mark + text.encode())
    assert first.values == {"email": "zoë@example.org", "first_name": "Zoë", "attributes": {"team": "red"}}
    assert (first.number, second.number) == (1, 2)
    assert second.values == {"email": "b@example.org"}
    assert 0 < first.behind <= second.behind <= 1


def test_csv_cells_may_hold_delimiters_quotes_and_line_ends(tmp_path):
    (row,) = read(csv, tmp_path, 'username,first_name\na,"Ann ""A"",\nsecond line"\n\n')
    assert row.values["first_name"] == 'Ann "A",\nsecond line'


def test_csv_flags_and_passwords_stand_apart_from_the_values(tmp_path):
    active, inactive = read(
        csv, tmp_path, "username,is_active,email_verified,password\na,,yes, blank kept \nb,FALSE,0,\n"
    )
    assert (active.is_active, active.email_verified, active.password) == (None, True, " blank kept ")
    assert (inactive.is_active, inactive.email_verified, inactive.password) == (False, False, "")
    assert (inactive.faults, active.faults) == ((), ())
    assert set(active.values) == {"username"}
    assert "blank kept" not in repr(active)


def test_a_bad_csv_row_is_told_and_the_next_one_is_read(tmp_path):
    content = b'username,is_active\na\nb,maybe\n"c"x,true\n\xff\xc3\xa9,true\nlast,true\n'
    cells, flag, quotes, encoding, last = read(csv, tmp_path, content)
    assert [row.number for row in (cells, flag, quotes, encoding, last)] == [1, 2, 3, 4, 5]
    assert [codes(row) for row in (cells, flag, quotes, encoding)] == [
        ["malformed"],
        ["invalid"],
        ["malformed"],
        ["malformed"],
    ]
    assert [row.sent for row in (cells, flag, quotes, encoding)] == [
        ["a"],
        ["b", "maybe"],
        ['"c"x,true'],
        ["\udcffé", "true"],
    ]
    assert "maybe" not in reason(flag)
    assert last.values == {"username": "last"}


@pytest.mark.parametrize("behind", ["", ',"closed"'])
def test_an_open_quote_spoils_its_own_row_only(tmp_path, behind):
    """populace/bulk/formats/tables.py:_Lines.give_up, at the file's end and at the next quote"""
    first, opening, *others = read(csv, tmp_path, f'username,first_name\na,A\nb,"B\nc,C\nd{behind or ",D"}\n')
    assert [row.values["username"] for row in (first, *others)] == ["a", "c", "d"]
    assert (opening.number, codes(opening)) == (2, ["malformed"])
    assert reason(opening).startswith("Line 3: quotes are out of place")
    assert reason(opening).endswith("up to line 5; line 4 counts as the next row.")


def test_an_open_quote_is_not_looked_after_through_the_whole_file(tmp_path):
    """populace/bulk/formats/tables.py:RECORD_LINES_MAX"""
    count = tables.RECORD_LINES_MAX + 500
    content = 'username\n"open\n' + "".join(f"u{number}\n" for number in range(count)) + "last\n"
    opening, *others = read(csv, tmp_path, content)
    assert f"up to line {tables.RECORD_LINES_MAX + 2};" in reason(opening)
    assert [row.values["username"] for row in others] == [*(f"u{number}" for number in range(count)), "last"]
    assert [row.number for row in others] == list(range(2, count + 3))


@pytest.mark.parametrize("long", ["x" * 2_000_000, '"' + "x" * 2_000_000 + '"', '"open\n' + "x" * 2_000_000])
def test_a_line_too_long_is_a_bad_row_and_the_next_one_is_read(tmp_path, long):
    """populace/bulk/formats/tables.py:RECORD_MAX, _Lines._read"""
    first, *bad, last = read(csv, tmp_path, f"username\nfirst\n{long}\nlast\n")
    assert (first.values, last.values) == ({"username": "first"}, {"username": "last"})
    assert {code for row in bad for code in codes(row)} == {"malformed"}
    assert [reason(row)[:7] for row in bad] == [f"Line {3 + number}:" for number in range(long.count("\n") + 1)]


def test_a_line_that_is_just_short_enough_is_read(tmp_path):
    size = tables.RECORD_MAX - len("\n")
    long, last = read(csv, tmp_path, "username\n" + "x" * size + "\nlast\n")
    assert (len(long.values["username"]), last.values["username"]) == (size, "last")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "none of the columns email"),
        ("first_name\nAnn\n", "none of the columns email"),
        ("email,Email\n", "a column twice"),
        ("email,user_nmae\n", "unknown column user_nmae: did you mean username?"),
        ("email,shoe size\n", "unknown column shoe size: name it attributes.NAME to keep it as an attribute"),
        ('"email', "quotes are out of place"),
        ("email" + "," * tables.RECORD_MAX, "too long"),
        ("email,username".encode("utf-16-le"), "UTF-16 needs its byte order mark"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "no text"),
    ],
)
def test_a_csv_that_cannot_be_meant_is_refused_as_a_whole(tmp_path, content, reason):
    with pytest.raises(FileRefused, match=reason.replace("?", r"\?")):
        read(csv, tmp_path, content)


def test_a_keycloak_user_is_read_with_all_that_has_a_place_here(tmp_path):
    user = {
        "id": "5f1c",
        "username": "ann",
        "email": "ann@example.org",
        "emailVerified": True,
        "enabled": False,
        "firstName": "Ann",
        "lastName": "Lee",
        "createdTimestamp": 1700000000000,
        "attributes": {"team": ["red"], "sizes": ["s", "m"]},
        "credentials": [
            {
                "type": "password",
                "secretData": json.dumps({"value": "A" * 42 + "A=", "salt": "c2FsdHNhbHRzYWx0c2FsdA=="}),
                "credentialData": json.dumps({"algorithm": "pbkdf2-sha256", "hashIterations": 27500}),
            },
            {"type": "otp"},
        ],
        "realmRoles": ["user"],
        "clientRoles": {"shop": ["buyer", "user"]},
        "groups": ["/a/b"],
    }
    (row,) = read(keycloak, tmp_path, {"realm": "r", "users": [user]})
    assert row.values == {
        "external_id": "5f1c",
        "username": "ann",
        "email": "ann@example.org",
        "first_name": "Ann",
        "last_name": "Lee",
        "attributes": {"team": "red", "sizes": ["s", "m"]},
    }
    assert (row.is_active, row.email_verified, row.password) == (False, True, "")
    assert row.password_hash.startswith("pbkdf2$sha256$27500$")
    assert row.groups == ("/a/b", "role:user", "role:buyer")
    assert row.left_out == {"created_not_kept", "second_factor_not_imported"}
    assert (row.faults, row.sent) == ((), user)


def test_every_realm_of_one_keycloak_file_is_read(tmp_path):
    realms = [{"realm": name, "users": [{"username": name}]} for name in ("one", "two")]
    assert [row.values for row in read(keycloak, tmp_path, realms)] == [{"username": "one"}, {"username": "two"}]


def test_keycloak_users_of_another_shape_are_bad_rows(tmp_path):
    users = ["x", {"username": "a", "attributes": 3}, {"username": "b", "credentials": [1]}, {"username": "good"}]
    rows = read(keycloak, tmp_path, {"users": users})
    assert [codes(row) for row in rows] == [["malformed"], ["malformed"], ["malformed"], []]
    assert [row.sent for row in rows] == users


def test_a_keycloak_file_is_read_to_where_it_breaks_off(tmp_path):
    first, last = read(keycloak, tmp_path, '{"users": [{"username": "a"}, {"userna')
    assert (first.values, codes(last)) == ({"username": "a"}, ["malformed"])


def test_what_stands_beside_the_users_of_a_realm_is_passed_over_however_large(tmp_path):
    """populace/bulk/formats/json_stream.py:JsonStream.skip, in parts"""
    clients = [{"clientId": "c" * 1000, "settings": {"scopes": ["s"] * 10}}] * 20_000
    assert len(json.dumps(clients)) > json_stream.VALUE_MAX
    realm = {"clients": clients, "roles": {"client": {"c": clients}}, "users": [{"username": "a"}], "n": 1.5e3}
    assert [row.values for row in read(keycloak, tmp_path, realm)] == [{"username": "a"}]


@pytest.mark.parametrize("size", range(1, 40))
def test_a_json_text_is_the_same_wherever_it_is_cut_to_be_read(tmp_path, monkeypatch, size):
    """populace/bulk/formats/json_stream.py:JsonStream.value, at the end of what was read"""
    monkeypatch.setattr(json_stream, "CHUNK", size)
    users = [{"username": 'ä"x', "attributes": {"n": [12345], "e": [-1.5e-3], "t": [True, None]}}, {"username": "b"}]
    assert [row.sent for row in read(keycloak, tmp_path, {"a": [1, 23], "b": 456, "users": users})] == users


def test_one_value_without_end_is_refused(tmp_path, monkeypatch):
    """populace/bulk/formats/json_stream.py:VALUE_MAX"""
    monkeypatch.setattr(json_stream, "VALUE_MAX", 1 << 20)
    first, last = read(keycloak, tmp_path, '{"users": [{"username": "a"}, {"username": "' + "x" * (4 << 20) + '"}]}')
    assert (first.values, codes(last)) == ({"username": "a"}, ["malformed"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"realm": "r"}, "holds no users; export the realm with `--users realm_file`"),
        ({"realm": "r", "users": []}, "holds no users"),
        ({"realm": "r", "users": {}}, "holds no users"),
        ({"users": "x"}, "holds no users"),
        (["x"], "not a realm export"),
        ("{", "is not JSON"),
        ('{"users": [{"username": 1' + "0" * 5000, "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_keycloak_file_without_users_is_refused(tmp_path, content, reason):
    with pytest.raises(FileRefused, match=reason):
        read(keycloak, tmp_path, content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("email\na@example.org", "csv"),
        ('{"id": "1", "realm": "r', "keycloak"),
        ('\ufeff{"users": [', "keycloak"),
        ('\n [{"clients": [{"users": 1}], "realm": "r', "keycloak"),
        ('{"id": "1", "traits": {"a', "kratos"),
        ('[{"credentials": {}, "traits": {"a', "kratos"),
        ('{"identities": [', "kratos"),
        ('{"email": "a@example.org"}\n', "jsonl"),
    ],
)
def test_the_format_is_recognised_by_how_the_file_begins(tmp_path, content, name):
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    assert recognised(path).format == name


@pytest.mark.parametrize("content", ["[", "[]", "[1]", "{", '{"a', '[{"email": "a@example.org"}]'])
def test_json_that_tells_no_format_is_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(FileRefused, match="say what it is with --format"):
        recognised(path)
