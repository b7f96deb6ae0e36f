"""The error file holds the bad rows as they were sent, and can be imported once they are mended."""

import csv
import json

import pytest

from populace.users.models import User
from tests.support.imports import numbers

pytestmark = pytest.mark.django_db


def records(path, delimiter=","):
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file, delimiter=delimiter))


def test_a_csv_error_file_holds_the_rows_as_sent_with_row_code_and_reason(import_text, tmp_path):
    result = import_text(
        "E-Mail;first name;attributes.team\n"
        'good@example.org;"Good; one";red\n'
        'wrong; "A ""B"""  ;red\n'
        "few@example.org;x\n"
        "many@example.org;x;y;z\n"
    )
    assert result.errors_file == tmp_path / "people.csv.errors.csv"
    assert oct(result.errors_file.stat().st_mode)[-3:] == "600"
    assert records(result.errors_file, ";") == [
        ["row", "code", "reason", "E-Mail", "first name", "attributes.team"],
        ["2", "invalid", "email: Not an e-mail address.", "wrong", ' "A ""B"""  ', "red"],
        ["3", "malformed", "Line 4: 2 cells under a header of 3.", "few@example.org", "x"],
        ["4", "malformed", "Line 5: 4 cells under a header of 3.", "many@example.org", "x", "y", "z"],
    ]


def test_an_error_file_that_was_not_mended_says_the_same_again(import_text, run):
    first = import_text("email,username\ngood@example.org,bob\nwrong,ann\n,\n")
    before = records(first.errors_file)
    again = records(run(first.errors_file).errors_file)
    assert [row[0] for row in before] == ["row", "2", "3"]
    assert [row[0] for row in again] == ["row", "1", "2"]
    assert [row[1:] for row in again] == [row[1:] for row in before]


def test_a_mended_csv_error_file_imports(import_text, run):
    result = import_text("email,username\nwrong,ann\ngood@example.org,bob\n,\n")
    mended = (
        result.errors_file.read_text()
        .replace("wrong", "ann@example.org")
        .replace('external id.",,', 'external id.",,carl')
    )
    result.errors_file.write_text(mended)
    assert numbers(run(result.errors_file)) == {"done": 2, "skipped": 0, "failed": 0}
    assert set(User.objects.values_list("username", flat=True)) == {"ann", "bob", "carl"}


def test_bytes_that_are_no_text_come_back_as_they_were(run, tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes(b"username,first_name\nann,J\xfcrgen\nbob,Zo\xc3\xab\n")
    errors = run(path).errors_file.read_bytes()
    assert errors == b"row,code,reason,username,first_name\n1,malformed,Line 2: not UTF-8.,ann,J\xfcrgen\n"


def test_a_record_that_has_no_cells_comes_back_as_its_first_line(import_text, run):
    result = import_text('username,first_name\nann,"open\nbob,B\n')
    assert records(result.errors_file)[1][3:] == ['ann,"open']
    assert run(result.errors_file).failed == 1


SHAPES = {
    "jsonl": lambda people: "\n".join(map(json.dumps, people)),
    "kratos": lambda people: json.dumps([{"traits": person} for person in people]),
    "keycloak": lambda people: json.dumps({"realm": "r", "users": people}),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_a_json_error_file_is_of_the_formats_own_shape(run, tmp_path, kind):
    path = tmp_path / "people"
    path.write_text(SHAPES[kind]([{"username": "a@"}, {"username": "b"}, {"username": "c@"}]))
    result = run(path)
    assert (result.done, [row for row, *_ in result.errors]) == (1, [1, 3])
    text = result.errors_file.read_text()
    assert text.count('"code": "reserved"') == 2
    result.errors_file.write_text(text.replace("@", ""))
    assert numbers(run(result.errors_file)) == {"done": 2, "skipped": 0, "failed": 0}


def test_what_is_no_object_is_kept_as_it_was_sent(import_people):
    lines = import_people("text", {"username": "a"}, [1]).errors_file.read_text().splitlines()
    assert [json.loads(line)["sent"] for line in lines] == ["text", [1]]


def test_the_error_file_of_an_earlier_try_is_removed(import_text, tmp_path):
    assert import_text("email\nwrong\n").errors_file.exists()
    assert import_text("email\nright@example.org\n").errors_file is None
    assert not (tmp_path / "people.csv.errors.csv").exists()


def test_an_error_file_that_cannot_be_written_stops_nothing(import_text, tmp_path):
    (tmp_path / "people.csv.errors.csv").mkdir()
    result = import_text("email\nwrong\nright@example.org\nwrong\n")
    assert (result.done, result.failed, result.errors_file) == (1, 2, None)


def test_a_dry_run_writes_the_error_file_too(import_text, actor):
    dry = import_text("email\nwrong\n", dry_run=True).errors_file.read_text()
    assert dry == import_text("email\nwrong\n").errors_file.read_text()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_an_error_file_is_utf_8_whatever_the_file_was(run, tmp_path, encoding):
    """Guards: populace/bulk/error_file.py:_csv (the mark by which a spreadsheet's program knows it)"""
    path = tmp_path / "people.csv"
    path.write_bytes("username,first_name\na@,Zoë\n".encode(encoding))
    errors = run(path).errors_file
    assert errors.read_bytes().startswith(b"\xef\xbb\xbf")
    errors.write_text(errors.read_text(encoding="utf-8").replace("a@", "ann"), encoding="utf-8")
    assert run(errors).done == 1
    assert User.objects.get().first_name == "Zoë"


def test_bad_rows_of_a_workbook_come_back_as_a_csv(run, data):
    result = run(data / "people-openpyxl.xlsx")
    assert (result.done, [(row, code) for row, code, _ in result.errors]) == (1, [(2, "invalid"), (3, "invalid")])
    errors = result.errors_file
    assert errors.name == "people-openpyxl.xlsx.errors.csv"
    text = errors.read_text(encoding="utf-8").replace("wrong,", "right@example.org,").replace("4930765", "+4930765")
    errors.write_text(text, encoding="utf-8")
    assert run(errors).done == 2
    assert User.objects.get(email="right@example.org").attributes == {"note": "<&> A"}


def test_bad_rows_of_a_folder_are_told_beside_it(run, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "R-users-0.json").write_text('{"realm": "R", "users": [{"username": "a@"}, {"username": "b"}]}')
    result = run(folder)
    assert (result.done, result.errors_file) == (1, tmp_path / "export.errors.json")


def test_half_a_character_of_utf_16_can_be_written_to_the_error_file(run, tmp_path):
    """Guards: populace/bulk/formats/text.py:_lone (a byte below 128)"""
    path = tmp_path / "people.csv"
    path.write_bytes("username\nann\nbob".encode("utf-16") + b"a")
    assert run(path).errors_file.read_bytes().endswith(b"bob\x80\n")
