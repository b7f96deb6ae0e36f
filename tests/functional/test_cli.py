"""The `populace` command: what it prints, and how it ends."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import pytest

from populace.audit.models import Event, Outbox
from populace.cli import demo, main
from populace.credentials.hashing import verify_password
from populace.credentials.models import ApiToken
from populace.infra.db.partitions import ensure_month_partitions
from populace.users.models import User
from tests.support.plugin import ENGINE
from tests.support.processes import BIN, environment

NOBODY = "00000000-0000-7000-8000-000000000000"


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def populace(db, capsys, monkeypatch) -> Callable[..., Ended]:
    """Return `populace(*arguments, stdin="") -> Ended`: the command in this process, on the test's database."""

    def run(*arguments: str, stdin: str | io.TextIOBase = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["populace", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin) if isinstance(stdin, str) else stdin)
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return Ended(ended.value.code or 0, output.out, output.err)

    return run


WITHOUT_DJANGO = """
import sys
from populace.cli import main
sys.argv = ["populace", "--help"]
try:
    main()
finally:
    print("django" in sys.modules)
"""


def test_help_answers_without_django_and_lists_the_exit_codes():
    command = [sys.executable, "-c", WITHOUT_DJANGO]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "False"
    for word in ("serve", "worker", "migrate", "import", "seed", "doctor", "user", "token", "3 some rows bad"):
        assert word in done.stdout


def test_without_a_command_the_whole_help_is_shown_line_by_line_and_the_exit_code_is_2(populace):
    for arguments, word in (([], "  backup "), (["user"], "  check-password ")):
        ended = populace(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("Usage: ")
        assert any(line.startswith(word) for line in ended.err.splitlines())


def test_version_prints_the_version_and_no_more(populace):
    assert populace("--version") == (0, f"{version('populace')}\n", "")


def test_help_answers_at_once():
    times = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([str(BIN / "populace"), "--help"], capture_output=True, env=environment(), check=True)
        times.append(time.monotonic() - began)
    assert min(times) < 0.5 * 4  # measured 0.17 s; a ceiling for a busy machine


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["frobnicate"], "populace: No such command 'frobnicate'."),
        (["import"], "populace: Missing argument 'file'."),
        (["import", "/no/such/file"], "populace: Invalid value for 'file': path '/no/such/file' does not exist."),
        (["seed", "0"], "populace: Invalid value for 'count': Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(populace, arguments, line):
    assert populace(*arguments) == (2, "", line + "\n")


def test_without_settings_a_command_says_in_one_line_which_is_missing():
    """A74: populace/cli/directory.py:set_up ends a start that config/settings.py refuses."""
    env = environment(POPULACE_MODE="production", DATABASE_URL="sqlite:////tmp/never-made.sqlite3")
    done = subprocess.run([str(BIN / "populace"), "serve"], capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "POPULACE_SECRET_KEY" in done.stderr


def test_up_is_for_local_mode_only():
    """A74: config/env.py:begin_local"""
    done = subprocess.run(
        [str(BIN / "populace"), "up"], capture_output=True, text=True, env=environment(POPULACE_MODE="production")
    )
    assert done.returncode == 1
    assert done.stderr.startswith("populace: POPULACE_MODE: must be local")


def test_local_mode_serves_on_loopback_only(populace):
    """A74: populace/cli/serving.py:serve"""
    ended = populace("serve", "--host", "0.0.0.0")
    assert ended == (1, "", "populace: POPULACE_MODE: local mode serves on loopback only\n")


def test_a_database_out_of_reach_is_one_line_and_exit_code_1():
    env = environment(
        POPULACE_MODE="local",
        POPULACE_SECRET_KEY="x" * 60,
        DATABASE_URL="postgres://u:s3cr3t@127.0.0.1:1/none",
    )
    done = subprocess.run(
        [str(BIN / "populace"), "user", "show", NOBODY], capture_output=True, text=True, env=env, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.startswith("populace: database: ")
    assert done.stderr.count("\n") == 1
    assert "s3cr3t" not in done.stderr


def test_a_user_is_created_and_shown_by_each_identifier(populace):
    made = populace(
        *("user", "create", "--email", "Zoe@example.org", "--username", "zoe", "--first-name", "Zoë"),
        *("--phone", "+43 1 2345678", "--external-id", "hr-7", "--json"),
    )
    assert made.code == 0
    (document,) = made.json
    assert document["first_name"] == "Zoë"
    assert Event.objects.get(subject_id=document["id"]).action == "user.created"
    for who in (document["id"], "zoe@EXAMPLE.org", "ZOE", "+4312345678", "external_id:hr-7"):
        assert populace("user", "show", who, "--json").json == [document], who


def test_a_user_is_printed_for_people_without_what_is_empty(populace):
    shown = populace("user", "create", "--username", "zoe").out
    assert "username            zoe\n" in shown
    assert "\nemail " not in shown
    assert "\nemail_verified      false\n" in shown  # no is an answer


def test_a_service_account_gets_no_mail_unless_asked(populace):
    populace("user", "create", "--username", "robot", "--kind", "service", "--quiet")
    assert User.objects.get().kind == "service"
    assert Outbox.objects.get().quiet


def test_a_password_comes_from_standard_input_and_is_held_to_the_policy(populace):
    refused = populace("user", "create", "--username", "zoe", "--password-stdin", stdin="short\n")
    assert (refused.code, refused.err) == (4, "populace: password_too_short: At least 15 characters.\n")
    password = "long enough a password"
    assert populace("user", "create", "--username", "zoe", "--password-stdin", stdin=password + "\n").code == 0
    assert verify_password(password, User.objects.get().password)


def test_a_password_that_is_no_text_is_refused(populace):
    """populace/cli/people.py:_password, and populace/credentials/hashing.py:check_policy for a stdin in ASCII"""
    for errors in ("strict", "surrogateescape"):
        stdin = io.TextIOWrapper(io.BytesIO(b"\xff long enough a password\n"), encoding="utf-8", errors=errors)
        refused = populace("user", "create", "--username", "zoe", "--password-stdin", stdin=stdin)
        assert refused == (4, "", "populace: invalid: Must be text.\n")
    assert not User.objects.exists()


def test_a_user_is_shown_by_kind_and_value_and_by_a_name_with_a_colon(populace, make_user):
    """populace/cli/people.py:find"""
    plain, colon = make_user(username="foo", email="foo@example.org"), make_user(username="username:bar")
    for who in ("username:foo", "foo", "email:foo@example.org"):
        assert populace("user", "show", who, "--json").json == [plain], who
    assert populace("user", "show", "username:bar", "--json").json == [colon]


def test_a_tokens_name_that_is_no_text_is_refused(populace, make_user):
    """populace/cli/directory.py:directory"""
    make_user(username="ann")
    for name in ("\udcff", "x" * 201):
        ended = populace("token", "create", "--owner", "ann", "--name", name, "--scope", "admin")
        assert ended == (4, "", "populace: invalid: a token's name has at most 200 printable characters\n")


def test_what_the_directory_refuses_is_one_line_and_exit_code_4(populace, make_user):
    make_user(username="ann", email="ann@example.org")
    refusals = {
        ("user", "show", "nobody"): "not_found: nobody is found by that",
        ("user", "show", NOBODY): "not_found: nobody is found by that",
        ("user", "create"): "no_identifier: a person needs a user name, e-mail, phone or external id",
        ("user", "create", "--email", "wrong"): "invalid: email: Not an e-mail address.",
        ("user", "create", "--username", "x", "--kind", "robot"): "invalid_choice: kind: Not one of the choices.",
        ("token", "revoke", NOBODY): "not_found: there is no such token",
        # The last one: the test's transaction ends with it.
        ("user", "create", "--email", "ANN@example.org"): "email_taken: somebody else holds this email",
    }
    for arguments, line in refusals.items():
        assert populace(*arguments) == (4, "", f"populace: {line}\n"), arguments


def test_a_token_works_until_it_is_revoked(populace, make_user, give_role, client_of):
    give_role(make_user(username="ann")["id"], "viewer")
    (made,) = populace("token", "create", "--owner", "ann", "--name", "ci", "--scope", "users:read", "--json").json
    assert made["secret"].startswith("pop_")
    assert client_of(made["secret"]).get(f"/api/v1/users/{NOBODY}").status_code == 404
    assert populace("token", "revoke", made["id"]).code == 0
    assert client_of(made["secret"]).get(f"/api/v1/users/{NOBODY}").status_code == 401


def test_roles_are_given_and_taken_but_not_from_the_last_owner(populace, give_role):
    give_role(NOBODY)  # the roles are there
    made = populace("user", "create", "--username", "ann", "--role", "owner", "--role", "viewer", "--json").json[0]
    assert made["username"] == "ann"
    ended = populace("user", "withdraw", "ann", "owner")
    assert (ended.code, ended.err) == (4, "populace: last_owner: somebody active must hold the role owner\n")
    assert populace("user", "withdraw", "ann", "viewer").out == 'roles               ["owner"]\n'
    assert populace("user", "grant", "ann", "auditor", "viewer").out.endswith('["auditor", "owner", "viewer"]\n')
    assert populace("user", "grant", "ann", "boss").code == 4
    assert populace("user", "create", "--username", "bob", "--role", "boss").code == 4
    assert not User.objects.filter(username="bob").exists()


def test_a_token_of_an_unknown_scope_is_refused_with_those_there_are(populace, make_user):
    make_user(username="ann")
    ended = populace("token", "create", "--owner", "ann", "--name", "ci", "--scope", "everything")
    assert ended.code == 2
    assert "unknown scope everything; there are users:read" in ended.err
    assert not ApiToken.objects.exists()


TAKEN = {"format": "csv", "encoding": "UTF-8", "delimiter": ",", "mapping": {"email": "email"}}


def test_import_prints_the_summary_and_ends_with_3_where_rows_are_bad(populace, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("email\ngood@example.org\nwrong\n")
    ended = populace("import", path)
    assert ended.code == 3
    assert ended.err.splitlines() == [
        "row 2: invalid: email: Not an e-mail address.",
        'taken as csv, UTF-8, by ",": email -> email',
    ]
    assert ended.out.split() == ["done", "1", "skipped", "0", "failed", "1", "errors_file", f"{path}.errors.csv"]
    again = populace("import", path, "--json")
    assert again.code == 3
    assert again.json == [
        {"row": 2, "code": "invalid", "reason": "email: Not an e-mail address."},
        {"done": 0, "skipped": 1, "failed": 1, "skipped_rows": [1], "errors_file": f"{path}.errors.csv"}
        | {"recognised": TAKEN},
    ]


def test_import_takes_options_from_a_file_and_refuses_others(populace, tmp_path):
    path, options = tmp_path / "people.csv", tmp_path / "options.json"
    path.write_bytes("username|first_name\nann|Łukasz\n".encode("cp1250"))
    options.write_text('{"encoding": "cp1250"}')
    ended = populace("import", path, "--options", options)
    assert (ended.code, ended.err.splitlines()) == (
        0, ['taken as csv, cp1250, by "|": username -> username, first_name -> first_name']
    )  # fmt: skip
    assert User.objects.get(username="ann").first_name == "Łukasz"
    options.write_text('{"encodin": "cp1250"}')
    ended = populace("import", path, "--options", options)
    assert (ended.code, ended.err.partition(";")[0]) == (2, "populace: 1 unknown options")


def test_import_takes_a_folder_of_keycloak_but_not_as_is(populace, tmp_path):
    (tmp_path / "R-users-0.json").write_text('{"realm": "R", "users": [{"username": "ann"}]}')
    assert populace("import", tmp_path, "--as-is").code == 2
    assert populace("import", tmp_path).code == 0
    assert User.objects.get().username == "ann"


def test_import_says_that_a_dry_run_was_one(populace, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("email\ngood@example.org\n")
    assert populace("import", path, "--dry-run", "--json").json == [
        {"done": 1, "skipped": 0, "failed": 0, "recognised": TAKEN, "dry_run": True}
    ]
    assert not User.objects.exists()


def test_a_realm_without_users_ends_with_3_and_advice(populace, tmp_path):
    path = tmp_path / "realm.json"
    path.write_text('{"realm": "r"}')
    ended = populace("import", path)
    assert ended.code == 3
    assert "holds no users; export the realm with" in ended.err
    assert ended.err.count("\n") == 1


def test_seed_makes_people_with_both_identifiers_and_returns_when_the_outbox_is_empty(populace):
    assert populace("seed", "130", "--json").json == [{"created": 130}]
    assert User.objects.exclude(username="").exclude(email="").count() == 130
    assert not Outbox.objects.exists()
    assert populace("seed", "20").code == 0
    assert User.objects.count() == 150


@pytest.mark.django_db(transaction=True)
def test_seed_soon_passes_over_numbers_in_use(django_assert_max_num_queries):
    """populace/cli/demo.py:create: 60 numbers in 6 tries, not in 60."""
    demo.create(60, start=0, report=print)
    with django_assert_max_num_queries(200):
        demo.create(1, start=0, report=print)
    assert User.objects.count() == 61


def test_doctor_finds_a_good_installation_in_order(populace):
    ensure_month_partitions(Event, "at")
    ended = populace("doctor", "--json")
    of_engine = ["pooler", "limits", "connections"] if ENGINE == "postgresql" else []
    checks = ["settings", "database", *of_engine, "schema", "months", "hashes", "search", "tasks", "var", "files"]
    assert [finding["check"] for finding in ended.json] == checks
    assert ended.code == 0, ended.out


def test_doctor_ends_with_1_where_the_schema_is_missing(tmp_path):
    env = environment(
        POPULACE_MODE="local",
        POPULACE_SECRET_KEY="x" * 60,
        POPULACE_VAR_DIR=str(tmp_path),
        DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3",
    )
    done = subprocess.run([str(BIN / "populace"), "doctor"], capture_output=True, text=True, env=env)
    assert done.returncode == 1
    assert "WRONG" in done.stdout
    assert "populace migrate" in done.stdout
    assert subprocess.run([str(BIN / "populace"), "migrate"], env=env).returncode == 0
    assert subprocess.run([str(BIN / "populace"), "doctor"], capture_output=True, env=env).returncode == 0
