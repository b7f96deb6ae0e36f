"""`populace backup`, and that what docs/howto/move-and-backup.md says of restoring brings a directory back."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from populace.infra.files import new_private
from tests.support.installation import POPULACE
from tests.support.mariadb import connected
from tests.support.plugin import Session
from tests.support.processes import environment


@pytest.fixture
def backed_up(installation):
    """An installation with one person more, and the backup that was made while it serves."""
    installation.start_web()
    made = installation.http.post("/api/v1/users", json={"username": "kept", "first_name": "Zoë"})
    assert made.status_code == 201, made.text
    installation.kept = made.headers["Location"], made.json()
    installation.backup = Path(installation.populace("backup").strip())
    assert installation.http.delete(made.headers["Location"]).status_code == 204  # afterwards: not in the backup
    return installation


def restart_on(installation, database):
    installation.web.terminate()
    installation.web.wait()
    installation.env["DATABASE_URL"] = database
    installation.start_web()


def test_a_backup_is_private_named_by_its_time_and_whole_when_it_has_its_name(backed_up):
    assert backed_up.backup.parent == backed_up.var / "backups"
    assert re.fullmatch(r"populace-\d{8}T\d{6}Z\.(sqlite3|dump|sql)", backed_up.backup.name)
    assert stat.S_IMODE(backed_up.backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(backed_up.backup.parent.stat().st_mode) == 0o700
    assert [path.name for path in backed_up.backup.parent.iterdir()] == [backed_up.backup.name]


@pytest.mark.only_on("sqlite", "a file is put back")
def test_a_restored_file_serves_the_people_it_was_made_of(backed_up):
    database = backed_up.var / "restored.sqlite3"
    shutil.copy(backed_up.backup, database)
    restart_on(backed_up, f"sqlite:///{database}")
    path, document = backed_up.kept
    assert backed_up.http.get(path).json() == document
    backed_up.populace("doctor", "identifiers")


@pytest.mark.only_on("postgresql", "pg_restore puts it back")
def test_a_restored_dump_serves_the_people_it_was_made_of(backed_up):
    database = Session.postgresql.create("restored", template="template0")
    options = ["--exit-on-error", "--no-owner", "--no-privileges", f"--dbname={database}"]
    restore = ["pg_restore", *options, str(backed_up.backup)]
    subprocess.run(restore, check=True, env=environment(), timeout=60)
    restart_on(backed_up, database)
    path, document = backed_up.kept
    assert backed_up.http.get(path).json() == document
    backed_up.populace("doctor")


@pytest.mark.only_on("mariadb", "its client puts it back")
def test_a_restored_script_serves_the_people_it_was_made_of(backed_up):
    database = Session.server.create("restored")
    host = urlsplit(database)
    place = [f"--host={host.hostname}", f"--port={host.port}", f"--user={host.username}", "restored"]
    with backed_up.backup.open() as script:
        subprocess.run(["mariadb", "--no-defaults", *place], stdin=script, check=True, env=environment(), timeout=60)
    restart_on(backed_up, database)
    path, document = backed_up.kept
    assert backed_up.http.get(path).json() == document
    backed_up.populace("doctor")


@pytest.mark.only_on("postgresql", "SQLite needs no program")
def test_without_pg_dump_one_line_says_what_is_missing(installation, tmp_path):
    env = installation.env | {"PATH": str(tmp_path)}
    done = subprocess.run([POPULACE, "backup", str(tmp_path / "to")], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("populace: pg_dump is not on PATH: install")
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.only_on("postgresql", "SQLite has no password")
def test_the_password_of_the_database_is_on_no_command_line(installation, tmp_path):
    """Guard: populace/infra/db/backup.py:NOT_LIBPQ."""
    program = tmp_path / "pg_dump"
    told = f'echo "$@" > {tmp_path}/arguments; echo "$PGPASSWORD" > {tmp_path}/password'
    program.write_text(f"#!/bin/sh\n{told}; exit 1\n")
    program.chmod(0o755)
    url = installation.env["DATABASE_URL"].replace("populace@", "populace:s3cr3t@")
    env = installation.env | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DATABASE_URL": url}
    done = subprocess.run([POPULACE, "backup", str(tmp_path / "to")], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "populace: pg_dump: 1\n")
    assert "host=127.0.0.1" in (tmp_path / "arguments").read_text()
    assert "s3cr3t" not in (tmp_path / "arguments").read_text()
    assert (tmp_path / "password").read_text() == "s3cr3t\n"


@pytest.mark.only_on("mariadb", "its program takes it otherwise")
def test_mariadbs_password_is_on_no_command_line_either(installation, tmp_path):
    """Guard: populace/infra/db/backup.py:OF_MARIADB."""
    program = tmp_path / "mariadb-dump"
    program.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments; echo "$MYSQL_PWD" > {tmp_path}/password; exit 1\n'
    )
    program.chmod(0o755)
    url = installation.env["DATABASE_URL"]
    connection = connected(url)
    connection.execute("CREATE USER secretive@127.0.0.1 IDENTIFIED BY 's3cr3t'")
    connection.execute("GRANT ALL ON *.* TO secretive@127.0.0.1")
    connection.close()
    env = installation.env | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DATABASE_URL": url.replace("populace@", "secretive:s3cr3t@"),
    }
    done = subprocess.run([POPULACE, "backup", str(tmp_path / "to")], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "populace: mariadb-dump: 1\n")
    assert "--host=127.0.0.1" in (tmp_path / "arguments").read_text()
    assert "s3cr3t" not in (tmp_path / "arguments").read_text()
    assert (tmp_path / "password").read_text() == "s3cr3t\n"


def test_a_file_gets_its_name_only_when_its_block_ends(tmp_path):
    path = tmp_path / "x"
    with new_private(path) as new:
        new.write_text("half")
        assert not path.exists()
        with pytest.raises(FileExistsError, match="another process"), new_private(path):
            pass
    assert path.read_text() == "half"
    with pytest.raises(FileExistsError, match="exists already"), new_private(path):
        pass
    with pytest.raises(ZeroDivisionError), new_private(tmp_path / "y"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == [path]
