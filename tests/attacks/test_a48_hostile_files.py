"""A48: files made to take all memory, disk or time, or to reach what is not theirs, end in a refusal or in bad rows."""

import gzip
import json
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib

import pytest

from populace.audit.actors import SYSTEM
from populace.bulk.errors import FileRefused
from populace.bulk.formats import FORMATS, tables
from populace.bulk.formats.recognition import recognised
from populace.bulk.imports import import_file
from populace.users.models import User
from tests.unit.test_import_xlsx import MAIN, inline, workbook

MIB = 1 << 20
GROWTH_MAX = 256 * MIB  # the catalogue's limit

READ = """
import os, resource, sys
os.environ["POPULACE_MODE"] = "local"
import django
django.setup()
from pathlib import Path
from populace.bulk.errors import FileRefused
from populace.bulk.formats import FORMATS
from populace.bulk.formats.recognition import recognised

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before, rows, bad, told = peak(), 0, 0, ""
try:
    path = Path(sys.argv[1])
    how = recognised(path, *sys.argv[2:])
    for row in FORMATS[how.format].rows(path, how.options):
        rows, bad = rows + 1, bad + bool(row.faults)
except FileRefused as refused:
    told = str(refused)
print(peak() - before, rows, bad, told)
"""


@pytest.fixture
def read(tmp_path):
    """Return `read(path) -> (rows, bad ones, refusal)` of a process of its own, which must stay small and tidy."""
    if sys.platform != "linux":
        pytest.skip("the peak of a process is read in /proc")
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def files():
        return {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}

    def measured(path, *arguments, most=GROWTH_MAX):
        env = {"DJANGO_SETTINGS_MODULE": "config.settings", "PATH": os.environ["PATH"], "TMPDIR": str(scratch)}
        before = files()
        done = subprocess.run(
            [sys.executable, "-c", READ, str(path), *arguments], capture_output=True, text=True, env=env, timeout=110
        )
        assert done.returncode == 0, done.stderr
        growth, rows, bad, told = done.stdout.rstrip("\n").split(" ", 3)
        assert int(growth) < most
        assert files() == before  # no scratch, nothing outside
        return int(rows), int(bad), told

    return measured


def packed_zeros(size: int, fill: bytes = b"\n") -> bytes:
    """Return gzip of that many bytes, made piece by piece."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = fill * MIB
    return b"".join(packer.compress(piece) for _ in range(size // MIB)) + packer.flush()


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_a48_a_gzip_bomb_is_refused(tmp_path, read, name):
    """Guards: populace/bulk/formats/source.py:_Unpacked.readinto (RATIO_MAX)"""
    (tmp_path / "bomb").write_bytes(packed_zeros(128 * MIB))
    rows, _, told = read(tmp_path / "bomb", name, most=64 * MIB)
    assert rows == 0
    assert "times as large when unpacked" in told


def test_a48_a_gzip_file_of_more_than_2_gib_is_refused(tmp_path, monkeypatch):
    """Guards: populace/bulk/formats/source.py:_Unpacked.readinto (FILE_MAX)"""
    monkeypatch.setattr("populace.bulk.formats.source.FILE_MAX", 1000)
    (tmp_path / "people").write_bytes(gzip.compress(b"username\n" + os.urandom(2000).hex().encode()))
    with pytest.raises(FileRefused, match="larger than 2 GiB when unpacked"):
        recognised(tmp_path / "people")


@pytest.mark.parametrize("content", [gzip.compress(b"username\nann\n" * 100)[:-20], b"\x1f\x8b\x08\0" + b"x" * 100])
def test_a48_a_broken_gzip_file_is_refused(tmp_path, content):
    """Guards: populace/bulk/formats/source.py:_Unpacked.readinto (its errors)"""
    (tmp_path / "people").write_bytes(content)
    with pytest.raises(FileRefused, match="no whole gzip file"):
        recognised(tmp_path / "people")


def test_a48_a_file_of_more_than_2_gib_is_refused_unread(tmp_path, read):
    """Guards: populace/bulk/formats/recognition.py:recognised (FILE_MAX)"""
    with (tmp_path / "people.csv").open("wb") as file:
        file.truncate((2 << 30) + 1)
    assert read(tmp_path / "people.csv") == (0, 0, "larger than 2 GiB")


def test_a48_a_zip_bomb_is_refused_unread(tmp_path, read):
    """Guards: populace/bulk/formats/archive.py:_check (RATIO_MAX)"""
    path = workbook(tmp_path / "bomb.xlsx", inline("username"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/theme.xml", "w") as member:
        for _ in range(64):
            member.write(b"\0" * MIB)
    assert "times as large when unpacked" in read(tmp_path / "bomb.xlsx")[2]


def test_a48_an_archive_that_says_it_is_larger_than_it_may_be_is_refused(tmp_path):
    """Guards: populace/bulk/formats/archive.py:_check (FILE_MAX)"""
    path = workbook(tmp_path / "w", inline("username"))
    place = path.read_bytes().index(b"PK\x01\x02") + 24
    data = bytearray(path.read_bytes())
    data[place : place + 4] = struct.pack("<L", (2 << 30) + 1)
    path.write_bytes(data)
    with pytest.raises(FileRefused, match="larger than 2 GiB when unpacked"):
        recognised(path)


def test_a48_a_member_gives_no_more_than_it_says(tmp_path, read):
    """A size that lies to the guard lies to the reader too: the rest of the member is never unpacked."""
    long = "".join(inline(f"user{number}") for number in range(200_000))
    path = workbook(tmp_path / "w", inline("username") + long)
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    path.write_bytes(path.read_bytes().replace(struct.pack("<L", size), struct.pack("<L", 5000)))
    rows, _, told = read(path)
    assert rows < 100
    assert "no w" in told  # no whole archive, or no workbook


def test_a48_an_archive_of_a_million_files_is_refused(tmp_path, read):
    """Guards: populace/bulk/formats/archive.py:_Bounded.read"""
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("R-users-0.json", "{}")
    entry = path.read_bytes()[path.read_bytes().index(b"PK\x01\x02") : path.read_bytes().index(b"PK\x05\x06")]
    head = path.read_bytes()[: path.read_bytes().index(b"PK\x01\x02")]
    count = 1_000_000
    end = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, len(entry) * count, len(head))
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, len(head) + len(entry) * count, 1)
    old = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(head + entry * count + end + locator + old)
    assert read(path) == (0, 0, "is an archive of too many files")


@pytest.mark.parametrize("name", ["../../x-users-0.json", "/etc/x-users-0.json", "a\\..\\..\\x-users-0.json", "C:x"])
def test_a48_an_archive_with_a_path_that_leads_out_of_it_is_refused(tmp_path, read, name):
    """Guards: populace/bulk/formats/archive.py:_check (paths)"""
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("R-users-0.json", json.dumps({"users": [{"username": "ann"}]}))
        archive.writestr(name, json.dumps({"users": [{"username": "bob"}]}))
    assert read(tmp_path / "export.zip") == (0, 0, "is an archive with a path that leads out of it")


@pytest.mark.parametrize(("flag", "method"), [(1, zipfile.ZIP_STORED), (0, zipfile.ZIP_LZMA)])
def test_a48_an_archive_that_needs_a_password_or_gibibytes_to_unpack_is_refused(tmp_path, flag, method):
    """Guards: populace/bulk/formats/archive.py:_check (flag_bits, compress_type): LZMA chooses its own memory"""
    with zipfile.ZipFile(tmp_path / "export.zip", "w", method) as archive:
        archive.writestr("R-users-0.json", "{}")
    data = bytearray((tmp_path / "export.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= flag
    (tmp_path / "export.zip").write_bytes(data)
    with pytest.raises(FileRefused, match=r"under a password|other than deflate"):
        recognised(tmp_path / "export.zip")


EVIL = {
    "an external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "an entity of entities": '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY e "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    "an external document type": '<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd">',
}


@pytest.mark.parametrize("kind", EVIL)
@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml"])
def test_a48_a_workbook_with_entities_is_refused(tmp_path, kind, part):
    """Guards: populace/bulk/formats/sheet.py:parser_of (StartDoctypeDeclHandler)"""
    path = tmp_path / "evil.xlsx"
    used = '<c t="inlineStr"><is><t>&e;</t></is></c>' if "document" not in kind else ""
    texts = "<si><t>x</t></si>"
    plain = workbook(tmp_path / "plain", inline("username") + f"<row>{used}</row>", texts=texts)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w") as archive:
        for name in source.namelist():
            text = source.read(name).decode()
            archive.writestr(name, EVIL[kind] + text if name == part else text)
    with pytest.raises(FileRefused, match="is no workbook"):
        list(FORMATS["xlsx"].rows(path, {}))


def test_a48_a_header_of_a_million_columns_is_refused(tmp_path, read):
    """Guards: populace/bulk/formats/sheet.py:SheetReader._cell_ended (COLUMNS_MAX), tables.py:RECORD_MAX"""
    path = workbook(tmp_path / "wide.xlsx", "<row>" + "<c><v>1</v></c>" * 1_000_000 + "</row>")
    assert read(path) == (0, 0, "Line 1: more than 1000 cells.")
    (tmp_path / "wide.csv").write_text("email" + ",x" * 1_000_000)
    assert "too long" in read(tmp_path / "wide.csv")[2]


def test_a48_a_row_of_a_million_cells_is_a_bad_row(tmp_path, read):
    """Guards: populace/bulk/formats/sheet.py:SheetReader._cell_ended (COLUMNS_MAX)"""
    wide = "<row>" + "<c><v>1</v></c>" * 1_000_000 + "</row>"
    path = workbook(tmp_path / "wide.xlsx", inline("username") + wide + inline("ann"))
    assert read(path) == (2, 1, "")
    (tmp_path / "wide.csv").write_text("username\n" + "x," * 1_000_000 + "\nann\n")
    assert read(tmp_path / "wide.csv") == (2, 1, "")


@pytest.mark.parametrize("place", ['r="ZZZZ9"', 'r="A99999999999"', 'r=""', 'r="XFD1"'])
def test_a48_a_cell_far_away_takes_no_room(tmp_path, place):
    """Guards: populace/bulk/formats/sheet.py:SheetReader.began (the length of a row's number)"""
    rows = inline("username") + f'<row r="{"9" * 5000}"><c {place}><v>1</v></c></row>'
    path = workbook(tmp_path / "far.xlsx", rows)
    tracemalloc.start()
    (row,) = FORMATS["xlsx"].rows(path, {})
    assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    tracemalloc.stop()
    assert len(row.sent) <= 1


@pytest.mark.parametrize("kind", ["csv", "quoted csv", "xlsx", "shared xlsx", "jsonl"])
def test_a48_a_cell_of_a_million_characters_is_a_bad_row(tmp_path, read, kind):
    """Guards: populace/bulk/formats/tables.py:RECORD_MAX, xlsx.py:_record (RECORD_MAX)"""
    long, path = "x" * 1_000_000, tmp_path / "long"
    if kind.endswith("csv"):
        cell = f'"{long}"' if "quoted" in kind else long
        path.write_text(f"username\n{cell}\nann\n")
    elif kind == "jsonl":
        path.write_text(json.dumps({"username": long * 2}) + '\n{"username": "ann"}\n')
    elif kind == "xlsx":
        workbook(path, inline("username") + inline(long) + inline("ann"))
    else:
        shared = '<row><c t="s"><v>0</v></c></row>'
        workbook(path, inline("username") + shared + inline("ann"), texts=f"<si><t>{long}</t></si>")
    rows, bad, told = read(path)
    assert (rows, bad, told) == (2, 1, "")


def test_a48_many_cells_that_share_one_long_text_take_no_memory(tmp_path, read):
    """Guards: populace/bulk/formats/xlsx.py:_record (texts are looked up row by row)"""
    count = 3000
    rows = inline("username", "first_name") + '<row><c t="s"><v>0</v></c><c t="s"><v>0</v></c></row>' * count
    path = workbook(tmp_path / "shared.xlsx", rows, texts=f"<si><t>{'x' * 60_000}</t></si>")
    assert read(path, most=64 * MIB)[0] == count


def test_a48_texts_lie_in_a_file_and_not_in_memory(tmp_path, read):
    """Guards: populace/bulk/formats/workbook.py:_Texts"""
    texts = "".join(f"<si><t>{number:06}{'x' * 490}</t></si>" for number in range(250_000))
    rows = inline("username") + '<row><c t="s"><v>249999</v></c></row>'
    with zipfile.ZipFile(workbook(tmp_path / "texts.xlsx", rows), "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{texts}</sst>')
    assert read(tmp_path / "texts.xlsx", most=64 * MIB) == (1, 0, "")


def test_a48_too_many_texts_are_refused(tmp_path, monkeypatch):
    """Guards: populace/bulk/formats/workbook.py:_Texts.add (TEXTS_MAX)"""
    monkeypatch.setattr("populace.bulk.formats.workbook.TEXTS_MAX", 10)
    path = workbook(tmp_path / "w", inline("username"), texts="<si><t/></si>" * 20)
    with pytest.raises(FileRefused, match="too many texts"):
        recognised(path)


@pytest.mark.parametrize(
    "rows",
    ["<a>" * 5_000_000, '<row r="' + "9" * 100_000_000, "<row>" + "<c><v>1</v></c>" * 10 + "<c " + "a" * 100_000_000],
    ids=["deep", "one value without end", "one name without end"],
)
def test_a48_xml_without_end_is_refused(tmp_path, read, rows):
    """Guards: populace/bulk/formats/sheet.py:DEPTH_MAX, TOKEN_MAX"""
    path = tmp_path / "endless.xlsx"
    with zipfile.ZipFile(workbook(tmp_path / "plain", ""), "r") as plain, zipfile.ZipFile(path, "w") as archive:
        for name in plain.namelist():
            if not name.endswith("sheet1.xml"):
                archive.writestr(name, plain.read(name))
        archive.writestr("xl/worksheets/sheet1.xml", f'<worksheet xmlns="{MAIN}"><sheetData>{rows}')
    rows, _, told = read(path, most=64 * MIB)
    assert rows == 0
    assert told.startswith("is no workbook")


def test_a48_a_large_part_that_is_read_whole_is_refused(tmp_path):
    """Guards: populace/bulk/formats/workbook.py:Workbook._part (PART_MAX)"""
    with zipfile.ZipFile(workbook(tmp_path / "w", inline("username")), "a") as archive:
        archive.writestr("xl/styles.xml", "<x>" + '<xf numFmtId="0"/>' * 1_000_000 + "</x>")
    with pytest.raises(FileRefused, match="no workbook"):
        recognised(tmp_path / "w")


ODD = {
    "an open quote": (b'username,first_name\nann,"open\nbob,B\n', [2, 1]),
    "an open quote to the end": (b'username\n"' + b"open\n" * 500, [500, 1]),
    "mixed line ends": (b"username\nann\r\nbob\rcarl", [3, 0]),
    "NUL in a cell": (b"username\nann\n" + b"x\n" * 3000 + b"b\0b\n", [3002, 0]),
}


@pytest.mark.parametrize("kind", ODD)
def test_a48_odd_text_spoils_its_own_rows(tmp_path, kind):
    """Guards: populace/bulk/formats/tables.py:_Lines"""
    content, expected = ODD[kind]
    (tmp_path / "people.csv").write_bytes(content)
    how = recognised(tmp_path / "people.csv", "csv")
    rows = list(FORMATS["csv"].rows(tmp_path / "people.csv", how.options))
    assert [len(rows), sum(bool(row.faults) for row in rows)] == expected


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content", [b"email,E-Mail\na,b\n", b"email\0\nx\n", packed_zeros(100 * MIB), b"PK\x03\x04bomb"]
)
def test_a48_a_file_that_is_refused_changes_nothing_and_leaves_nothing(tmp_path, content):
    """Guards: populace/bulk/imports.py:import_file (recognised before anything is written)"""
    (tmp_path / "people").write_bytes(content)
    with pytest.raises(FileRefused):
        import_file(tmp_path / "people", by=SYSTEM)
    assert not User.objects.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["people"]


@pytest.mark.django_db
def test_a48_a_nul_in_a_cell_is_a_bad_row_with_its_number(tmp_path):
    (tmp_path / "people.csv").write_bytes(b"username,first_name\n" + b"x" * 5000 + b",\nann,A\0\n")
    result = import_file(tmp_path / "people.csv", by=SYSTEM)
    assert [row for row, *_ in result.errors] == [1, 2]


def test_a48_the_limits_are_those_that_the_reference_tells():
    assert tables.RECORD_MAX == 131_072
