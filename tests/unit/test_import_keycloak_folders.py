"""Keycloak's export to a folder (its default), or a zip archive of one: all users files, in order, as one import."""

import json
import zipfile

import pytest

from populace.bulk.errors import FileRefused
from populace.bulk.formats import FORMATS
from populace.bulk.formats.recognition import recognised


@pytest.fixture
def folder(tmp_path):
    """Return a folder as `kc.sh export --dir D --realm R` writes it, with a file for each of eleven users."""
    made = tmp_path / "export"
    made.mkdir()
    (made / "R-realm.json").write_text(json.dumps({"realm": "R", "enabled": True, "clients": [{"clientId": "c"}]}))
    for number in range(11):
        users = {"realm": "R", "users": [{"username": f"user{number}"}]}
        (made / f"R-users-{number}.json").write_text(json.dumps(users))
    (made / "notes.json").write_text('{"users": [{"username": "nobody"}]}')
    return made


@pytest.fixture(params=["folder", "archive", "archive with a folder in it"])
def export(request, folder, tmp_path):
    if request.param == "folder":
        return folder
    place = "export/" if "folder" in request.param else ""
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{place}{file.name}")
    return tmp_path / "export.zip"


def read(path):
    how = recognised(path)
    assert how.format == "keycloak"
    return list(FORMATS[how.format].rows(path, how.options))


def test_all_users_files_are_read_in_order(export):
    """Guards: populace/bulk/formats/keycloak.py:users_files (sorted by number)"""
    rows = read(export)
    assert [row.values["username"] for row in rows] == [f"user{number}" for number in range(11)]
    assert [row.number for row in rows] == list(range(1, 12))
    assert [row.behind for row in rows] == sorted(row.behind for row in rows)
    assert rows[-1].behind == 1


def test_the_realms_own_file_alone_says_where_its_users_are(folder):
    """Guards: populace/bulk/formats/keycloak.py:_advice"""
    with pytest.raises(FileRefused, match="they are in 11 files beside it: import the folder"):
        read(folder / "R-realm.json")


def test_a_folder_without_users_is_refused(folder):
    for file in folder.glob("R-users-*"):
        file.unlink()
    with pytest.raises(FileRefused, match="or import the folder that has its R-users-N"):
        read(folder)


def test_a_broken_file_of_a_folder_is_told_and_the_next_one_is_read(folder):
    (folder / "R-users-3.json").write_text('{"users": [{"username": "three"}, {"user')
    rows = read(folder)
    assert [row.number for row in rows if row.faults] == [5]
    assert rows[4].faults[0].detail == "Not JSON from here on: nothing below was read in R-users-3.json."
    assert rows[-1].values["username"] == "user10"


def test_a_user_of_another_system_that_keycloak_asks_is_told(folder):
    """Guards: populace/bulk/formats/keycloak.py:_users_of_realm (federatedUsers)"""
    (folder / "R-federated-users-0.json").write_text('{"realm": "R", "federatedUsers": [{"id": "f:1:ann"}]}')
    (told,) = [row for row in read(folder) if row.faults]
    assert told.faults[0].detail.startswith("A user of another system that Keycloak asks")


def test_another_format_has_no_folders(folder):
    with pytest.raises(FileRefused, match="is a folder or an archive, as keycloak has them"):
        recognised(folder, "auth0")
