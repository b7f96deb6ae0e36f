"""A44: long texts made to keep a pattern, a splitter or a comparison busy.

Ten times the text may cost ten times as much, not a hundred: each text is sent with 5,000 and with 50,000 characters.
"""

from time import perf_counter
from urllib.parse import quote

import httpx
import pytest

from tests.support.raw import Line, request

USERS, GROUPS, TOKENS, LOGIN = "/api/v1/users", "/api/v1/groups", "/api/v1/tokens", "/console/login/"
SHORT, LONG = 5_000, 50_000
CEILING_S = 1
"""Ten times what the longest may take: the machine is shared."""
NOISE_S = 0.05
TRIES = 2
LINE_MAX = 60_000
"""Characters of a request's first line, less than the server takes."""

EVIL = {
    "letters": lambda n: "a" * n + "!",
    "address": lambda n: "a@" + "a." * (n // 2) + "!",
    "hyphens": lambda n: "a@" + "a-" * (n // 2) + ".",
    "at signs": lambda n: "@" * n + "!",
    "blanks": lambda n: "a" + " " * n + "b",
    "digits": lambda n: "+4" + "3 " * (n // 2) + "x",
    "brackets": lambda n: "(" * n,
    "commas": lambda n: "a" + ",;" * (n // 2) + "a",
    "quotes": lambda n: '"' + '\\"' * (n // 2),
    "slashes": lambda n: "/" + "../" * (n // 3),
    "equal signs": lambda n: "a=" * (n // 2) + "!",
}
WIDE = {
    "accents": lambda n: "e" + "\u0301" * n,
    "ligatures": lambda n: "\ufdfa" * n,  # 18 characters once it is mapped
    "Hangul": lambda n: "\u1100\u1161\u11a8" * (n // 3),
    "marks in disorder": lambda n: "a" + "\u0315\u0300\u05ae" * (n // 3),
    "astral": lambda n: "\U0001f642" * n,
}
"""What Unicode's own algorithms could be slow at; headers and paths hold none of it."""


def seconds(call):
    """Return how long a call takes at its best; no answer may be an error of ours."""
    took = []
    for _ in range(TRIES):
        started = perf_counter()
        status = call()
        took.append(perf_counter() - started)
        assert status < 500, status
    return min(took)


def check_linear(send):
    """Send every text in both lengths: `send(text) -> status`."""
    for name, text in (EVIL | getattr(send, "more", {})).items():
        short = seconds(lambda text=text: send(text(SHORT)))
        long = seconds(lambda text=text: send(text(LONG)))
        assert long < CEILING_S, (name, long)
        assert long < 20 * short + NOISE_S, (name, short, long)


def wide(send):
    """Have it also sent what only a body can hold."""
    send.more = WIDE
    return send


USER_FIELDS = [
    "username",
    "email",
    "external_id",
    "first_name",
    "last_name",
    "phone",
    "locale",
    "timezone",
    "kind",
    "x",
]


@pytest.mark.parametrize("field", USER_FIELDS)
def test_a44_a_field_of_a_person(town, same, field):
    """Guard: populace/users/documents.py:TextField.to_internal_value, which asks for the length first."""
    same()
    check_linear(wide(lambda text: town.http.post(USERS, json={field: text}).status_code))


@pytest.mark.parametrize("field", ["password", "password_hash"])
def test_a44_a_secret(town, same, field):
    """Guard: populace/credentials/hashing.py:check_policy, populace/credentials/foreign.py:adopted."""
    same()
    path = f"{USERS}/{town.victim}/password"
    check_linear(wide(lambda text: town.http.post(path, json={field: text}).status_code))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (GROUPS, "name"),
        (GROUPS, "description"),
        (GROUPS, "parents"),
        (TOKENS, "name"),
        (TOKENS, "owner"),
        (TOKENS, "expires_at"),
    ],
)
def test_a44_a_field_of_a_group_or_token(town, same, path, field):
    """Guard: populace/users/documents.py:TextField.to_internal_value and REST framework's own maxima."""
    same()
    check_linear(wide(lambda text: town.http.post(path, json={field: text}).status_code))


@pytest.mark.parametrize("kind", ["", "id", "email", "username", "phone", "external_id"])
def test_a44_an_identifier_that_is_looked_up(town, kind):
    """Guard: populace/users/identifiers.py, each of whose functions asks for the length first."""
    path = f"{USERS}/lookup"
    check_linear(
        wide(lambda text: town.http.post(path, json={"identifiers": [{kind: text} if kind else text] * 20}).status_code)
    )


PARAMETERS = [
    *("q", "email", "username", "external_id", "domain", "group", "is_active", "joined_after", "updated_before"),
    *("cursor", "order", "fields", "limit", "count", "attributes.x", "unknown"),
]


def asked(town, path):
    """Return the status of a GET whose path and query no client library would send at such length."""
    with Line(town.port) as line:
        line.send(request("GET", path[:LINE_MAX], f"Authorization: Bearer {town.token}", "Connection: close"))
        return next(line.answers()).status


@pytest.mark.parametrize("name", PARAMETERS)
def test_a44_a_parameter_of_a_list(town, name):
    """Guard: populace/api/paging.py:asked_of and populace/users/filters.py."""
    check_linear(lambda text: asked(town, f"{USERS}?{name}={quote(text, safe=SAFE)}"))


def test_a44_the_name_of_a_parameter_and_the_path(town):
    """Guard: populace/api/paging.py:asked_of (the nearest name is looked for among short ones only)."""
    for path in (
        f"{USERS}?%s=1",
        f"{USERS}/%s",
        "/console/%s",
        "/problems/%s",
        "/%s",
        f"{USERS}?%s",
        f"{USERS}?x=1&%s=1",
    ):
        check_linear(lambda text, path=path: asked(town, path % quote(text, safe=SAFE)))


HEADERS = [
    *(
        "Accept",
        "Accept-Language",
        "Accept-Encoding",
        "Cookie",
        "Range",
        "User-Agent",
        "Referer",
        "Origin",
        "Forwarded",
    ),
    *("X-Forwarded-For", "X-Forwarded-Host", "If-Match", "If-None-Match", "If-Modified-Since", "Idempotency-Key"),
    *("X-Request-ID", "Authorization", "Content-Type", "Content-Encoding", "Host", "Expect", "Upgrade", "Connection"),
]
SAFE = "/@(),;=!"
PREFIXES = {
    "Authorization": "Bearer pop_",
    "Content-Type": "multipart/form-data; boundary=",
    "If-None-Match": 'W/"',
    "Range": "bytes=0-,",
    "Accept": "text/html;q=0.",
    "Cookie": "populace_session=",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a44_a_header(town, name):
    """On a person, on a change and on the console. Guard: none of ours but that no pattern reads them."""

    def send(text, method, path):
        # Bare, for some of these no client library would send; with the token unless it is what is long.
        headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "application/json", "Content-Length": "2"}
        headers[name] = PREFIXES.get(name, "") + text
        lines = [f"{key}: {value}" for key, value in headers.items() if key != "Host"]
        with Line(town.port) as line:
            line.send(request(method, path, *lines, body=b"{}", host=headers.get("Host", "127.0.0.1")))
            return next((answer.status for answer in line.answers()), 400)

    for method, path in (("GET", f"{USERS}/{town.victim}"), ("PATCH", f"{USERS}/{town.victim}"), ("POST", LOGIN)):
        check_linear(lambda text, method=method, path=path: send(text, method, path))


@pytest.mark.parametrize("field", ["username", "password", "next", "csrfmiddlewaretoken", "x"])
def test_a44_a_field_of_the_sign_in(town, field):
    """Guard: populace/console/forms.py:SignInForm (max_length)."""
    with httpx.Client(base_url=town.url) as browser:
        browser.get(LOGIN)
        token = browser.cookies["populace_csrf"]

        def send(text):
            values = {"username": "nobody", "password": "", "csrfmiddlewaretoken": token} | {field: text}
            return browser.post(LOGIN, data=values).status_code

        check_linear(send)


def test_a44_the_boundary_and_parts_of_a_form(town):
    """Guard: none of ours: Django's parser of forms."""
    with httpx.Client(base_url=town.url) as browser:
        for content in ("--{0}\r\n" * 2, "--x\r\nContent-Disposition: form-data; name={0}\r\n\r\n\r\n--x--", "{0}"):

            def send(text, content=content):
                media = f"multipart/form-data; boundary={'x' if 'x' in content else quote(text)[:200]}"
                return browser.post(LOGIN, content=content.format(text), headers={"Content-Type": media}).status_code

            check_linear(send)
