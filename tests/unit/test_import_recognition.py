"""What a file is taken for, and that people are told it: format, encoding, delimiter and the field of each column."""

import gzip

import pytest

from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.formats import FORMATS
from populace.bulk.formats.recognition import recognised
from populace.bulk.options import read_options

PEOPLE = "username;first_name\nann;Zoë\nbob;Jürgen\n"


@pytest.fixture
def taken(tmp_path):
    """Return `taken(content, **options) -> (Recognised, rows)`."""

    def read(content: bytes, **options):
        path = tmp_path / "people"
        path.write_bytes(content)
        how = recognised(path, options=options)
        return how, list(FORMATS[how.format].rows(path, how.options))

    return read


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with a byte order mark"),
        ("utf-16", "UTF-16"),
        ("latin-1", "Windows-1252"),
        ("cp1252", "Windows-1252"),
    ],
)
def test_the_encoding_is_found_out_and_told(taken, encoding, shown):
    """Guards: populace/bulk/formats/text.py:encoding_of (each of its answers)"""
    how, rows = taken(PEOPLE.encode(encoding))
    assert [row.values["first_name"] for row in rows] == ["Zoë", "Jürgen"]
    assert how.shown() == {
        "format": "csv",
        "encoding": shown,
        "delimiter": ";",
        "mapping": {"username": "username", "first_name": "first_name"},
    }


def test_big_endian_utf_16_is_read_by_its_mark(taken):
    how, rows = taken(b"\xfe\xff" + PEOPLE.encode("utf-16-be"))
    assert (how.encoding, rows[0].values["first_name"]) == ("UTF-16", "Zoë")


def test_a_letter_of_latin_1_far_behind_decides_for_the_whole_file(taken):
    """Guards: populace/bulk/formats/text.py:encoding_of (reads to the end)"""
    far = "x" * 1000 + "\n"
    how, rows = taken(("username\n" + far * 3000 + "zoë").encode("latin-1"))
    assert (how.encoding, rows[-1].values["username"]) == ("Windows-1252", "zoë")


def test_a_utf_8_character_cut_in_two_by_the_reading_is_no_broken_one(taken, monkeypatch):
    monkeypatch.setattr("populace.bulk.formats.text._CHUNK", 1)
    assert taken(PEOPLE.encode())[0].encoding == "UTF-8"


def test_where_both_stand_in_a_file_the_broken_row_alone_is_bad(taken):
    """Guards: populace/bulk/formats/text.py:_lone, tables.py:_fault (not decoded)"""
    how, rows = taken(b"username,first_name\nann,Zo\xc3\xab\nbob,J\xfcrgen\ncarl,C\n")
    assert how.encoding == "UTF-8"
    assert [[fault.detail for fault in row.faults] for row in rows] == [[], ["Line 3: not UTF-8."], []]


@pytest.mark.parametrize("broken", ["\0\ud800", "\udc00x", "x\ud800"])
def test_utf_16_that_is_broken_spoils_its_own_row(taken, broken):
    """Guards: populace/bulk/formats/text.py:_lone (goes on where the next character begins)"""
    text = b"\xff\xfe" + f"username\nann\n{broken}\nbob\n".encode("utf-16-le", "surrogatepass")
    _, rows = taken(text)
    assert [row.values.get("username") for row in rows] == ["ann", None, "bob"]
    assert [fault.code for fault in rows[1].faults] == ["malformed"]


def test_utf_16_cut_within_a_character_spoils_its_last_row(taken):
    _, rows = taken("username\nann\nbob".encode("utf-16") + b"a")
    assert [[fault.code for fault in row.faults] for row in rows] == [[], ["malformed"]]


def test_mixed_line_ends_make_the_same_rows(taken):
    _, rows = taken(b"username\r\nann\nbob\rcarl\r\n\r\rdora")
    assert [row.values["username"] for row in rows] == ["ann", "bob", "carl", "dora"]


def test_what_an_operator_says_goes_before_what_is_found_out(taken):
    how, rows = taken("username|first_name\nann|Łukasz\n".encode("cp1250"), encoding="cp1250")
    assert (how.encoding, rows[0].values["first_name"]) == ("cp1250", "Łukasz")
    assert taken(b"username;attributes.a,b\nann;x", delimiter=";")[1][0].values["attributes"] == {"a,b": "x"}


@pytest.mark.parametrize(
    "options", [{"encoding": "rot13"}, {"encoding": "\0"}, {"delimiter": "x"}, {"delimiter": ";;"}, {"x": 1}]
)
def test_an_encoding_or_delimiter_that_there_is_not_is_refused(taken, options):
    """Guards: populace/bulk/formats/text.py:known, tables.py:dialect"""
    with pytest.raises(OptionRefused):
        taken(PEOPLE.encode(), **options)


def test_a_delimiter_in_a_quoted_name_is_none(taken):
    how, _ = taken(b'"attributes.a,b,c";username\nx;ann\n')
    assert how.delimiter == ";"


def test_gzip_is_unpacked_as_it_is_read(taken):
    how, rows = taken(gzip.compress(PEOPLE.encode()))
    assert (how.format, [row.values["username"] for row in rows]) == ("csv", ["ann", "bob"])
    assert rows[-1].behind == 1


def test_json_in_utf_16_is_read_as_a_shell_of_windows_writes_it(taken):
    how, rows = taken('{"username": "zoë"}\r\n'.encode("utf-16"))
    assert (how.format, how.encoding, rows[0].values) == ("jsonl", "UTF-16", {"username": "zoë"})


def test_how_a_file_is_read_can_be_kept_and_used_again(taken, tmp_path):
    how, _ = taken(PEOPLE.encode("latin-1"))
    (tmp_path / "people").write_bytes(b"username;first_name\nann;Zoe\n")
    assert recognised(tmp_path / "people", how.format, how.options).options["encoding"] == "cp1252"


def test_options_are_json_or_what_firebases_console_shows(tmp_path):
    path = tmp_path / "options"
    path.write_text('{"rounds": 8}')
    assert read_options(path) == {"rounds": 8}
    path.write_text("hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: ab/+==,\n  rounds: 8,\n}\n")
    assert read_options(path) == {"algorithm": "SCRYPT", "base64_signer_key": "ab/+==", "rounds": "8"}
    for wrong in ("[1]", "nothing to see", "x" * 100_000, ""):
        path.write_text(wrong)
        with pytest.raises(OptionRefused):
            read_options(path)


def test_a_file_of_zeros_is_no_text(taken):
    with pytest.raises(FileRefused, match="no text"):
        taken(b"\0" * 1000)
