"""A45: text that would like to be a header, another line of the log, or a template."""

import json
import re

import pytest

from tests.support.marks import MARKS
from tests.support.raw import Line, request

USERS, GROUPS, TOKENS = "/api/v1/users", "/api/v1/groups", "/api/v1/tokens"

BREAKS = {
    "CR LF": "\r\n",
    "LF": "\n",
    "CR": "\r",
    "NUL": "\0",
    "VT": "\v",
    "FF": "\f",
    "NEL": "\x85",
    "LS": "\u2028",
    "PS": "\u2029",
    "ESC": "\x1b[2J\x1b[31m",
    "CSI": "\x9b31m",
    "BEL": "\a",
    "DEL": "\x7f",
    "BS": "\b",
}
"""What ends a line, or moves a terminal's cursor, somewhere."""


@pytest.mark.parametrize("name", BREAKS)
def test_a45_nothing_that_ends_a_line_is_stored(town, same, name):
    """Guard: populace/users/profile.py:line, users/identifiers.py, credentials/actions.py:create_token."""
    text = f"Ann{BREAKS[name]}Bcc: evil@example.com"
    same()
    fields = ["username", "email", "external_id", "first_name", "last_name", "phone", "locale", "timezone"]
    calls = [(USERS, {field: text}) for field in fields]
    calls += [(USERS, {"email": f"a@b.example{BREAKS[name]}"}), (USERS, {"email": f"a{BREAKS[name]}@b.example"})]
    calls += [
        (GROUPS, {"name": text}),
        (GROUPS, {"name": "x", "description": f"a{BREAKS[name]}"}),
        (TOKENS, {"name": text}),
    ]
    for path, body in calls:
        answer = town.http.post(path, json=body)
        assert answer.status_code == 400, (path, body)
        assert answer.json()["code"] in ("invalid", "malformed")


@pytest.mark.parametrize("mark", MARKS)
def test_a45_a_template_mark_is_shown_as_it_was_sent(town, mark):
    """Guard: none of ours but that no text of a caller is formatted; in the console Django's escaping."""
    made = town.http.post(USERS, json={"external_id": mark, "first_name": mark, "attributes": {mark: mark}})
    assert made.status_code == 201
    for shown in (made.json(), town.http.get(USERS, params={"external_id": mark}).json()["results"][0]):
        assert (shown["external_id"], shown["first_name"], shown["attributes"]) == (mark, mark, {mark: mark})
    refused = town.http.get(USERS, params={mark: mark, "order": mark})
    assert refused.status_code == 400
    assert "49" not in refused.json()["detail"]


def logged(town, since):
    return (town.var / "web.log").read_bytes()[since:].splitlines()


HOSTILE = [f"a{text}X-Evil: 1" for text in BREAKS.values()] + [*MARKS, "é", "\u202e", "x" * 5000]


@pytest.mark.parametrize(
    "name", ["User-Agent", "X-Request-ID", "Referer", "X-Forwarded-For", "Idempotency-Key", "Cookie"]
)
def test_a45_a_header_of_the_caller_makes_none_of_ours_and_one_line(town, name):
    """Guard: populace/api/middleware.py:_acceptable and account, which has all text from outside quoted."""
    usual = set(town.http.get(f"{USERS}/{town.victim}").headers)
    for text in HOSTILE:
        since = (town.var / "web.log").stat().st_size
        value = text.encode().decode("latin-1")
        lines = (f"Authorization: Bearer {town.token}", f"{name}: {value}", "Connection: close")
        with Line(town.port) as line:
            line.send(request("GET", f"{USERS}/{town.victim}", *lines))
            [answer] = line.answers()
        if answer.status == 400 and "x-request-id" not in answer.headers:
            continue  # no request at all to the server
        assert set(answer.headers) - {"connection"} <= usual, text
        assert all(len(values) == 1 for values in answer.headers.values())
        came = logged(town, since)
        assert len(came) == 1, came
        assert json.loads(came[0])["path"] == f"{USERS}/{town.victim}"
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", came[0])


@pytest.mark.parametrize("name", BREAKS)
def test_a45_a_path_or_query_makes_no_header_and_one_line(town, name):
    """Also where it is part of where we send somebody. Guard: Django's own escaping; api/middleware.py:account."""
    escaped = "".join(f"%{byte:02X}" for byte in f"x{BREAKS[name]}Set-Cookie: a=b".encode())
    for path in ("/%s", "/console/%s", "/console/users/user/?q=%s", f"{USERS}?cursor=%s"):
        since = (town.var / "web.log").stat().st_size
        with Line(town.port) as line:
            line.send(request("GET", path % escaped, "Connection: close"))
            [answer] = line.answers()
        assert answer.status in (302, 400, 401, 404)
        assert "a=b" not in str(answer.headers.get("set-cookie"))
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", str(answer.headers.get("location", [""])[0]))
        [line_of_log] = logged(town, since)
        json.loads(line_of_log)
        assert not re.search(rb"[\x00-\x1f\x7f]", line_of_log)
