"""A46: links that lead out of the console."""

import re
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

USERS, LOGIN = "/api/v1/users", "/console/login/"
PASSWORD = "correct horse battery staple"

ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "////evil.example/",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://evil.example/console/",
    "HTTPS://evil.example",
    "http:evil.example",
    "ftp://evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "%2f%2fevil.example",
    "/%2fevil.example",
    "/%5cevil.example",
    "%5c%5cevil.example",
    "%68ttps://evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "blob:x",
    "https://127.0.0.1@evil.example",
    "//127.0.0.1@evil.example",
    "https://127.0.0.1:80@evil.example",
    "https://evil.example#127.0.0.1",
    "https://evil.example?127.0.0.1",
    "https://127.0.0.1.evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\u00a0//evil.example",
    "\x00//evil.example",
    "\x01//evil.example",
    "/\u2028/evil.example",
    "\u2044\u2044evil.example",
    "\uff0f\uff0fevil.example",
    "https\uff1a//evil.example",
    "h\u017fttps://evil.example",
    "//evil\u3002example",
    "http://[::ffff:127.0.0.1",
    "http://[evil.example]/",
    "//[evil",
    "@evil.example",
    ".evil.example",
    ":80/",
    "//2130706433/",
    "http://0x7f.1/",
    "\r\nLocation: https://evil.example",
    "?next=//evil.example",
    "https://",
    "//",
    "\\",
]


@pytest.fixture(scope="module")
def operator(town):
    """The e-mail of somebody who may open the console."""
    made = town.http.post(USERS, json={"email": "operator@example.com", "password": PASSWORD})
    assert made.status_code == 201
    path = made.headers["Location"]
    assert town.http.post(f"{path}/roles", json={"add": ["owner"]}).status_code == 200
    return "operator@example.com"


@pytest.fixture
def browser(town):
    with httpx.Client(base_url=town.url, timeout=10) as made:
        yield made


def signed_in(browser, name, **more):
    """Fill in the form as a browser does; `more` goes into the path."""
    form = browser.get(LOGIN, params=more).text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    values = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": hidden["csrfmiddlewaretoken"]}
    return browser.post(LOGIN, data=values | more, params=more, headers={"Origin": str(browser.base_url).rstrip("/")})


def led_to(town, answer):
    """Return where a browser would go: it drops tabs and line breaks, a backslash is a slash (WHATWG URL)."""
    assert answer.status_code == 302
    location = re.sub(r"[\t\r\n]", "", answer.headers["Location"].strip("".join(map(chr, range(33))))).replace(
        "\\", "/"
    )
    return urlsplit(urljoin(f"{town.url}{LOGIN}", location))


def stays_here(town, answer):
    place, here = led_to(town, answer), urlsplit(town.url)
    return (place.scheme, place.netloc) == (here.scheme, here.netloc)


@pytest.mark.parametrize("to", ELSEWHERE, ids=ascii)
def test_a46_whoever_is_signed_in_is_led_nowhere_else(town, browser, operator, to):
    """Guard: populace/console/site.py:ConsoleSite.login, by Django's url_has_allowed_host_and_scheme."""
    browser.cookies.update(session_of(town, operator))
    assert stays_here(town, browser.get(LOGIN, params={"next": to}))


_sessions = {}


def session_of(town, operator):
    """Sign in once: a hash each would be most of these tests' time."""
    if town.url not in _sessions:
        with httpx.Client(base_url=town.url, timeout=10) as first:
            assert signed_in(first, operator).status_code == 302
            _sessions[town.url] = dict(first.cookies)
    return _sessions[town.url]


@pytest.mark.parametrize("to", ELSEWHERE[::3], ids=ascii)
def test_a46_a_sign_in_leads_nowhere_else(town, browser, operator, to):
    """Guard: populace/console/site.py:SignIn, by Django's url_has_allowed_host_and_scheme."""
    assert stays_here(town, signed_in(browser, operator, next=to))


def test_a46_a_page_of_ours_is_where_one_goes(town, browser, operator):
    """Guard: none, this is what it lets through."""
    assert led_to(town, signed_in(browser, operator, next="/console/events/?x=1")).path == "/console/events/"
    browser.cookies.clear()
    assert led_to(town, signed_in(browser, operator)).path == "/console/"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1@evil.example", "127.0.0.1:80@evil.example", "evil.example#"]
)
def test_a46_the_host_header_leads_nowhere(town, browser, host):
    """Guard: populace/api/middleware.py:ApiMiddleware.is_ours."""
    for headers in ({"Host": host}, {"X-Forwarded-Host": host}, {"Forwarded": f"host={host}"}):
        answer = browser.get("/console/", headers=headers)
        assert answer.status_code == 400 if "Host" in headers else stays_here(town, answer)
