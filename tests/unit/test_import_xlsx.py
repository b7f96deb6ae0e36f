"""Workbooks as real programs write them (samples by openpyxl and XlsxWriter), and as no program does."""

import io
import tempfile
import zipfile
from pathlib import Path

import pytest

from populace.bulk.errors import FileRefused
from populace.bulk.formats import FORMATS, xlsx
from populace.bulk.formats.recognition import recognised

DATA = Path(__file__).parent.parent / "data"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def workbook(path, rows: str, *, texts: str = "", more: str = "", styles: str = "") -> Path:
    """Write a workbook of one sheet with this XML of rows."""
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{more}'
        '<sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">'
        '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }
    parts |= {"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{texts}</sst>'} if texts else {}
    parts |= {"xl/styles.xml": f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>'} if styles else {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def inline(*texts: str) -> str:
    return "<row>" + "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts) + "</row>"


def test_texts_of_a_workbook_lie_beside_other_large_files(monkeypatch):
    """Guard: populace/bulk/formats/workbook.py:_Texts (dir: /tmp may lie in memory)"""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert recognised(DATA / "people-openpyxl.xlsx").format == "xlsx"


@pytest.mark.parametrize("name", ["people-openpyxl.xlsx", "people-xlsxwriter.xlsx"])
def test_the_first_sheet_of_a_real_workbook_is_read(name):
    how = recognised(DATA / name)
    assert (how.format, how.encoding, how.mapping["E-Mail"]) == ("xlsx", "Office Open XML", "email")
    ann, bob, wrong = FORMATS[how.format].rows(DATA / name, how.options)
    assert ann.values == {
        "email": "ann@example.org",
        "first_name": "Zoë",
        "phone": "+4930123456",
        "attributes": {
            "born": "1990-02-03",
            "seen": "2024-05-06T07:08:09",
            "size": "1.5",
            "note": 'line one\nline "two"',
        },
    }
    assert (ann.is_active, bob.is_active, bob.values["phone"]) == (True, False, "4930765432")
    assert bob.values["first_name"] == "=1+1"
    assert (wrong.number, wrong.values["email"], wrong.behind) == (3, "wrong", 1)


def test_texts_come_shared_inline_in_runs_and_escaped(tmp_path):
    rows = (
        inline("username", "first_name", "last_name")
        + '<row r="7"><c r="A7" t="s"><v>1</v></c><c r="C7" t="str"><f>1+1</f><v>x</v></c></row>'
        + '<row><c t="s"><v>0</v></c><c t="inlineStr"><is><t>a_x000D_b</t></is></c></row>'
    )
    texts = "<si><r><t>an</t></r><r><t>n</t></r><rPh><t>AN</t></rPh></si><si><t>bob</t></si>"
    path = workbook(tmp_path / "w", rows, texts=texts)
    assert [(record.line, record.cells) for record in xlsx.records(path)] == [
        (1, ["username", "first_name", "last_name"]),
        (7, ["bob", "", "x"]),
        (8, ["ann", "a\rb", ""]),
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<c><v>42</v></c>", "42"),
        ("<c><v>4.9301234560000002E10</v></c>", "49301234560"),
        ("<c><v>0.1</v></c>", "0.1"),
        ("<c><v>1E+300</v></c>", "1e+300"),
        ('<c s="1"><v>45418</v></c>', "2024-05-06"),
        ('<c s="1"><v>45418.5</v></c>', "2024-05-06T12:00:00"),
        ('<c s="2"><v>0.75</v></c>', "18:00:00"),
        ('<c s="3"><v>45418</v></c>', "45418"),
        ('<c s="1"><v>1E+300</v></c>', "1e+300"),
        ('<c t="d"><v>2024-05-06</v></c>', "2024-05-06"),
        ('<c t="b"><v>0</v></c>', "false"),
        ("<c><v>x</v></c>", "x"),
    ],
)
def test_numbers_and_dates_become_text_as_people_write_them(tmp_path, cell, text):
    styles = (
        '<numFmts><numFmt numFmtId="164" formatCode="[$-407]d. mmm yy"/>'
        '<numFmt numFmtId="165" formatCode="0 &quot;days&quot;"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="21"/><xf numFmtId="165"/></cellXfs>'
    )
    path = workbook(tmp_path / "w", inline("username") + f"<row>{cell}</row>", styles=styles)
    assert list(xlsx.records(path))[1].cells == [text]


def test_a_workbook_of_a_mac_counts_its_days_from_1904(tmp_path):
    rows = inline("username") + '<row><c s="0"><v>0</v></c><c s="0"><v>43956</v></c></row>'
    styles = '<cellXfs><xf numFmtId="14"/></cellXfs>'
    path = workbook(tmp_path / "w", rows, more='<workbookPr date1904="1"/>', styles=styles)
    assert list(xlsx.records(path))[1].cells == ["00:00:00", "2024-05-06"]


def test_a_cell_beyond_the_header_and_a_broken_formula_are_bad_rows(tmp_path):
    rows = inline("username") + inline("ann", "x") + '<row><c t="e"><v>#REF!</v></c></row>' + inline("bob")
    path = workbook(tmp_path / "w", rows)
    assert [[fault.detail for fault in row.faults] for row in xlsx.rows(path)] == [
        ["Line 2: 2 cells under a header of 1."],
        ["Line 3: a formula has no value."],
        [],
    ]


def broken(change):
    """Return a whole workbook, changed as bytes."""
    return change(workbook(io.BytesIO(), inline("username")).getvalue())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "an old workbook, or one under a password"),
        (broken(lambda data: data[:-30]), "no whole zip archive"),
        (broken(lambda data: data[:40] + b"\xff" * 20 + data[60:]), "no whole zip archive|no workbook"),
        (workbook(io.BytesIO(), "").getvalue(), "none of the columns email"),
        (workbook(io.BytesIO(), "<row>").getvalue(), "no workbook"),
        (workbook(io.BytesIO(), '<row><c t="s"><v>3</v></c></row>').getvalue(), "no workbook"),
        (workbook(io.BytesIO(), '<row><c t="s"><v>-1</v></c></row>').getvalue(), "no workbook"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path, content, reason):
    path = tmp_path / "people.xlsx"
    path.write_bytes(content)
    with pytest.raises(FileRefused, match=reason):
        recognised(path)


def test_other_files_of_an_office_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "people.ods", "w") as archive:
        archive.writestr("content.xml", "<x/>")
    with pytest.raises(FileRefused, match="an archive of no kind that an import knows"):
        recognised(tmp_path / "people.ods")
    (tmp_path / "people.csv").write_text("username\nann\n")
    with pytest.raises(FileRefused, match="no workbook"):
        recognised(tmp_path / "people.csv", "xlsx")
