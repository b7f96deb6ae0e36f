"""`populace up` with real processes: it starts, restarts, drains and ends; nothing of it stays behind."""

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from populace.cli import demo, working
from populace.cli.supervisor import Child
from populace.infra.mail.smtp import TRY_S
from populace.infra.tasks.queue import LEASE_S
from tests.support.mariadb import connected
from tests.support.missing import missing
from tests.support.plugin import Session
from tests.support.ports import free_port
from tests.support.processes import BIN, wait_until
from tests.support.supervised import Supervised, children_of, empty_database, is_alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG and /proc are Linux")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[Supervised]:
    if Session.missing:
        missing(Session.missing)
    folder = tmp_path_factory.mktemp("installation")
    made = Supervised(folder, database=empty_database(folder, "supervised"), demo=150)
    yield made
    made.stop()


@pytest.fixture
def installation(made) -> Supervised:
    """One running installation for all tests; started again where the last one has ended it."""
    if not made.runs():
        made.start()
    return made


def gone(pids: list[int]) -> bool:
    return not any(is_alive(pid) for pid in pids)


def test_it_answers_with_demo_people_and_private_credentials(installation):
    """populace/cli/first_start.py:prepare"""
    credentials = installation.var / "credentials.env"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert set(installation.credentials()) == {
        "POPULACE_URL",
        "POPULACE_ADMIN_EMAIL",
        "POPULACE_ADMIN_PASSWORD",
        "POPULACE_TOKEN",
    }
    assert installation.credentials()["POPULACE_URL"] == installation.url
    shown = installation.run("user", "show", "alice.bennett0", "--json")
    assert '"email": "alice.bennett0@example.org"' in shown.stdout, shown.stderr
    assert installation.run("user", "show", "nobody.here150").returncode == 4


def test_the_local_settings_are_there_for_a_shell_beside_it(installation):
    local = installation.var / "local.env"
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    assert f"DATABASE_URL={installation.database}\n" in local.read_text()


def test_a_second_one_on_the_same_folder_says_so_in_one_line(installation):
    """populace/cli/processes.py:sole_supervisor"""
    second = installation.run("up")
    assert second.returncode == 1
    assert second.stderr == (f"populace: already running in {installation.var} (process {installation.process.pid})\n")


def test_a_taken_port_is_refused_in_one_line(installation):
    """populace/cli/processes.py:refuse_taken_port"""
    second = installation.run("serve")
    assert second.returncode == 1
    assert second.stderr == f"populace: PORT: 127.0.0.1:{installation.port}: address already in use\n"


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_killed_process_is_started_again_and_leaves_no_orphan(installation, command):
    """populace/cli/supervisor.py:Child.keep, populace/cli/serving.py:load_application"""
    killed = installation.child(command)
    below = children_of(killed)
    os.kill(killed, signal.SIGKILL)
    # Both take 0.1 s on a quiet machine; the promise is about 1 s.
    wait_until(lambda: gone([killed, *below]), "its own children die with it", 10)
    wait_until(lambda: installation.child(command) != killed, f"a new {command}", 10)
    wait_until(installation.answers, "the API answers again")


def test_a_killed_web_process_is_replaced_by_its_parent(installation):
    """populace/cli/serving.py:serve (respawn_failed_workers)"""
    web = installation.child("serve")
    wait_until(lambda: len(children_of(web)) == 2, "two web processes")
    before = set(children_of(web))
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len(set(children_of(web)) - {min(before)}) == 2, "two web processes again")
    wait_until(installation.answers, "the API answers")
    assert installation.child("serve") == web


def test_a_mail_is_sent_by_the_worker_that_was_started_again(installation):
    worker = installation.child("worker")
    with installation.client() as client:
        os.kill(worker, signal.SIGKILL)
        assert client.post("/users", json={"email": "welcome@example.net"}).status_code == 201

    def sent() -> bool:
        mails = [path.read_text() for path in (installation.var / "mail").glob("*")]
        return any("welcome@example.net" in mail for mail in mails)

    wait_until(sent, "the mail", 10)


def test_a_second_start_is_quick_and_loses_nothing(installation):
    """populace/cli/first_start.py:_owner_of, _demo_people"""
    credentials = (installation.var / "credentials.env").read_text()
    written = (installation.var / "credentials.env").stat().st_mtime_ns
    with installation.client() as client:
        made = client.post("/users", json={"username": "stays"}).json()
    assert installation.stop() == 0
    began = time.monotonic()
    installation.start()
    assert time.monotonic() - began < 5 * 2  # the promise is 5 s; a ceiling for a busy machine
    assert (installation.var / "credentials.env").read_text() == credentials
    assert (installation.var / "credentials.env").stat().st_mtime_ns == written
    with installation.client() as client:
        assert client.get(f"/users/{made['id']}").json() == made


def test_sigterm_lets_a_request_in_hand_finish(installation):
    """populace/cli/serving.py:DRAIN_S"""
    everyone = installation.processes()
    answers: list[int] = []

    def post() -> None:
        with installation.client() as client:
            answers.append(client.post("/users", json={"username": "in-hand"}).status_code)

    with no_writes(installation.database):
        request = threading.Thread(target=post)
        request.start()
        time.sleep(0.5)  # now it waits for the lock that we hold
        installation.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
    request.join(10)
    assert answers == [201]
    began = time.monotonic()
    assert installation.stop() == 0
    assert time.monotonic() - began < 10
    assert gone(everyone)


def test_ctrl_c_ends_everything_at_once_where_nothing_is_in_hand(installation):
    """populace/cli/supervisor.py:supervise, populace/cli/serving.py:load_application

    Ctrl-C reaches the whole process group. Web processes that have just begun must not miss the order to stop.
    """
    everyone = installation.processes()
    began = time.monotonic()
    os.killpg(installation.process.pid, signal.SIGINT)
    assert installation.process.wait(10) == 0
    assert time.monotonic() - began < 6  # who misses it is killed after 7 s
    assert gone(everyone)
    assert "Traceback" not in installation.log.read_text()


def test_a_killed_supervisor_takes_everything_with_it(installation):
    """populace/cli/processes.py:die_with_parent"""
    everyone = installation.processes()
    assert len(everyone) >= 5  # supervisor, web and its two processes, worker
    installation.process.kill()
    installation.process.wait()
    wait_until(lambda: gone(everyone), "no orphan", 10)
    installation.start()  # lock and port are free again


def test_another_port_keeps_the_token_and_lost_credentials_are_made_anew(installation):
    """populace/cli/first_start.py:prepare, _administrator"""
    token, credentials = installation.credentials()["POPULACE_TOKEN"], installation.var / "credentials.env"
    installation.stop()
    installation.use_port(free_port())
    installation.start()
    assert installation.credentials()["POPULACE_URL"] == installation.url
    assert installation.credentials()["POPULACE_TOKEN"] == token
    old = installation.client()
    installation.stop()
    credentials.unlink()
    installation.start()
    with installation.client() as client, old:
        assert old.get("/users/00000000-0000-7000-8000-000000000000").status_code == 401
        assert client.get("/users/00000000-0000-7000-8000-000000000000").status_code == 404


def test_a_program_that_keeps_dying_is_started_ever_more_slowly(capfd):
    """populace/cli/supervisor.py:Child.keep"""
    child = Child("nothing", ["no-such-command"])
    for _ in range(4):
        child.due = 0
        child.keep()
        child.process.wait()
        child.keep()
    told = [line.removeprefix("populace: nothing ended ") for line in capfd.readouterr().err.splitlines()[1::2]]
    assert told == [f"(exit code 2); starting it again in {pause} s" for pause in ("0", "0.25", "0.5", "1")]


def test_a_worker_whose_lanes_cannot_be_started_ends_and_its_poll_with_it():
    """Guard: populace/cli/working.py:_beside (finally)"""
    stop = threading.Event()
    with pytest.raises(ValueError, match="null byte"):
        working._beside(stop, stop.wait, ["no command has this \x00"])
    assert stop.is_set()


def test_a_lane_has_longer_to_end_than_a_try_to_send_a_mail_may_take():
    """Guard: populace/cli/working.py:LANES_STOP_S"""
    assert TRY_S < working.LANES_STOP_S < LEASE_S


def test_a_signal_during_the_first_start_ends_it_in_one_line(tmp_path):
    if Session.missing:
        missing(Session.missing)
    made = Supervised(tmp_path, database=empty_database(tmp_path, "interrupted"), demo=100_000)
    process = subprocess.Popen([str(BIN / "populace"), "up"], env=made.env, stderr=subprocess.PIPE, text=True)
    wait_until((made.var / "run" / "demo").exists, "demo people are being made")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[1].strip() == ""
    assert process.returncode == 130
    made.env["DEMO"] = "1200"  # fewer than 100,000 fits the time of a test
    made.start()
    assert made.run("user", "show", demo.person(1199)["username"]).returncode == 0
    assert made.stop() == 0


@contextlib.contextmanager
def no_writes(database: str) -> Iterator[None]:
    """Hold a lock that every write waits for."""
    if database.startswith("mysql"):
        with connected(database) as connection:
            connection.execute("LOCK TABLES users_identifier READ")
            yield
    elif Session.postgresql:
        with psycopg.connect(database) as connection:
            connection.execute("LOCK TABLE users_identifier IN ACCESS EXCLUSIVE MODE")
            yield
    else:
        connection = sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.rollback()
            connection.close()
