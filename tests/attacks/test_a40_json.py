"""A40: bodies that are no JSON, too much of it, or that two parsers would read differently."""

import itertools
from time import perf_counter

import httpx
import pytest

USERS, GROUPS, TOKENS = "/api/v1/users", "/api/v1/groups", "/api/v1/tokens"
CEILING_S, TRIES = 1, 3
"""Ten times what a refusal may take: the machine is shared."""


@pytest.fixture
def takers(town):
    """Every call that takes a body: (method, path)."""
    group = town.http.post(GROUPS, json={"name": f"takers {next(_numbers)}"}).headers["Location"]
    person = f"{USERS}/{town.victim}"
    return [
        ("POST", USERS),
        ("PATCH", person),
        ("POST", f"{person}/password"),
        ("POST", f"{person}/roles"),
        ("POST", f"{USERS}/batch"),
        ("POST", f"{USERS}/lookup"),
        ("POST", GROUPS),
        ("PATCH", group),
        ("POST", f"{group}/members"),
        ("POST", TOKENS),
        ("PUT", "/api/v1/attribute-schema"),
    ]


_numbers = itertools.count(1)


def sent(town, body, method="POST", path=USERS):
    """Send bytes as JSON; return status and code of the refusal, which must be quick and a problem detail."""
    content = body if isinstance(body, bytes) else body.encode()
    took = []
    while not took or (len(took) < TRIES and took[-1] > CEILING_S):
        started = perf_counter()
        answer = town.http.request(method, path, content=content, headers={"Content-Type": "application/json"})
        took.append(perf_counter() - started)
    assert took[-1] < CEILING_S
    if answer.status_code < 300:
        return answer.status_code, ""
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 5000
    return answer.status_code, answer.json()["code"]


NUMBERS = """- -- + +1 ++1 -+1 01 -01 00 1. .5 -.5 -. . 1.e1 1e 1E 1e+ 1E- 0e 0e+ 1.0e 1.0e- 1e1.5 1.2.3 1+2 1-2 0x0
0x1F 0b1 0o7 1_000 1'000 1,5 1a 1f 1n -x -1x 2e#1 NaN nan -NaN Infinity -Infinity +Infinity Inf -inf 1e400 -1e400
1e99999 ½ １ ٣ −1 9223372036854775808 -9223372036854775809""".split()  # noqa: SIM905
LITERALS = """tru True TRUE truee fals falsee nul Null nulll none None undefined true1 x * @ $ & \\u0031 <a> (1)
`1`""".split()  # noqa: SIM905
STRINGS = [
    *('"', '"a', 'a"', "'a'", "'", '"a"b"', '"\\"', '"\\', '"\\a"', '"\\x41"', '"\\0"', '"\\\'"', '"\\U0041"', '"\\ "'),
    *('"\\u"', '"\\u1"', '"\\u12"', '"\\u123"', '"\\u123g"', '"\\u{41}"', '"\\uD800"', '"\\udc00"', '"\\ud800\\u"'),
    *('"\\ud800\\ud800"', '"\\udfff\\ud800"', '"\\ud800a"', '"\\ud83d\\x"', '"\\u0000"', '"\\é"', "“a”", '"a"+"b"'),
    *('"a\nb"', '"a\tb"', '"a\rb"', '"\x00"', '"\x1f"', '"\x08"', '"a" "b"', '"\\\n"', '"""a"""', 'r"a"', 'b"a"'),
]
RAW_STRINGS = [  # no UTF-8: alone, cut short, longer than needed, past the last character, halves of a pair
    *(b'"\x80"', b'"\xff"', b'"\xc3"', b'"\xe2\x82"', b'"\xf0\x9f\x99"', b'"\xc0\xaf"', b'"\xe0\x80\xaf"'),
    *(b'"\xf4\x90\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xed\xa0\x80"', b'"\xed\xa0\xbd\xed\xb8\x80"', b'"\xfe"'),
]
ARRAYS = """[ ] [1 1] [1,] [,1] [,] [1,,2] [1;2] [1:2] [1} [[1] [1]] [*] [1,2 [[[[ ]]]] [1,]] ["a":1] [...]
[1/2]""".split()  # noqa: SIM905
ARRAYS += ["[1 2]", '["a" "b"]', "[\n1\n,", "[1,\n2", "[a, b]", "[1]x", "[1\x0c]", "[\x0b1]", "[\xa01]", "[1\u2028]"]
OBJECTS = [
    *("{", "}", '{"a"', '{"a":', '{"a":1', '"a":1}', '{"a"}', '{"a":}', "{:1}", "{:}", '{"a":1,}', '{,"a":1}', "{,}"),
    *('{"a":1,,"b":2}', '{"a":1 "b":2}', '{"a":1;"b":2}', '{"a"::1}', '{"a" 1}', '{"a"=1}', '{"a"=>1}', '{"a",1}'),
    *("{1:1}", "{null:1}", "{true:1}", "{a:1}", "{'a':1}", "{[1]:1}", "{{}:1}", '{"a":1]', '{"a":1}}', '{"a":[1}}'),
    *(
        '{"a":1}{}',
        '{"a":1,"b"',
        '{"a":1,1}',
        '{"a":1,"b":}',
        '{"\\ud800":1}',
        '{"\\u0000":1}',
        '{"a\n":1}',
        '{"a":b:1}',
    ),
]
COMMENTS = ["/**/1", "1/**/", "//\n1", "1//", "#\n1", "1#", "--1", "<!-- -->1", "1/*", "/1/"]


def grammar():
    """Every fault alone, as an attribute's value, as one of a list, and as the whole body."""
    faults = [NUMBERS, LITERALS, STRINGS, ARRAYS, OBJECTS, COMMENTS]
    raw = [fault.encode("utf-8", "surrogatepass") for fault in itertools.chain(*faults)] + RAW_STRINGS
    for fault in raw:
        yield b'{"attributes":{"a":' + fault + b"}}"
        yield b'{"first_name":"x","attributes":{"a":[0,' + fault + b",0]}}"
        yield fault


ACCIDENTS = {b'{"first_name":"x","attributes":{"a":[0,1,5,0]}}'}
"""What two faults of a kind make up for: `1,5` is one number with a comma, but two in a list."""


def test_a40_no_fault_of_grammar_is_read_as_something(town, same):
    """What JSONTestSuite calls n_, made anew. Guard: populace/api/parsers.py:decoded."""
    same()
    bodies = [body for body in grammar() if body not in ACCIDENTS]
    assert len(bodies) > 500
    through = {body: came for body in bodies if (came := sent(town, body)) != (400, "malformed")}
    assert through == {}


def test_a40_every_beginning_of_a_body_is_refused(town, same):
    """Guard: populace/api/parsers.py:decoded."""
    same()
    whole = '{"first_name":"é\\u00e9","attributes":{"n":[-1.5e+3,true,null,{"x":""}]}}'.encode()
    for end in range(len(whole)):
        assert sent(town, whole[:end]) == (400, "malformed"), whole[:end]


@pytest.mark.parametrize("space", ["\ufeff", "\u00a0", "\u2028", "\u200b", "\u2060", "\v", "\f", "\0", "\b", "\x85"])
def test_a40_nothing_stands_around_it(town, same, space):
    """Byte order mark, NUL and every other character that is no white space. Guard: populace/api/parsers.py:decoded."""
    same()
    for body in (space + '{"first_name":"x"}', '{"first_name":"x"}' + space, '{"first_name"' + space + ':"x"}'):
        assert sent(town, body) == (400, "malformed"), body


@pytest.mark.parametrize("tail", ["x", "}", "]", ",", "{}", " {}", "\n{}", "0", "null", "//", "#", "/*", "\0", "&a=1"])
def test_a40_nothing_follows_it(town, same, tail):
    """Guard: populace/api/parsers.py:decoded."""
    same()
    assert sent(town, '{"username":"trailing"}' + tail) == (400, "malformed")


@pytest.mark.parametrize(
    "body", ["", " ", "\n", "1", "-0", "1.5", '"x"', "true", "null", "[]", "[{}]", '[{"email":"a@b.de"}]']
)
def test_a40_what_is_no_object_is_no_body(town, same, takers, body):
    """Guard: populace/api/parsers.py:decoded."""
    same()
    for method, path in takers:
        assert sent(town, body, method, path) == (400, "malformed"), path


DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        "[" * DEEP,
        '{"a":' * DEEP,
        "[" * DEEP + "]" * DEEP,
        '{"attributes":' * DEEP + "1" + "}" * DEEP,
        '{"attributes":{"a":' + "[" * 65 + "]" * 65 + "}}",
        '{"attributes":' + '{"a":' * 64 + "1" + "}" * 65,
    ],
    ids=["arrays begun", "objects begun", "arrays", "objects", "65 arrays", "65 objects"],
)
def test_a40_depth_is_bounded(town, same, takers, body):
    """Guard: populace/api/parsers.py:DEPTH_MAX, and decoded for RecursionError."""
    same()
    for method, path in takers:
        status, code = sent(town, body, method, path)
        assert (status, code) in ((400, "malformed"), (413, "too_large")), path


def test_a40_ten_mebibytes_are_refused_by_their_length(town, same):
    """Guard: populace/api/parsers.py:body_of."""
    same()
    assert sent(town, b" " * (10 << 20)) == (413, "too_large")
    assert sent(town, b'{"first_name":"' + b"x" * (1 << 20) + b'"}') == (413, "too_large")


def digits(number):
    """Return a number to the base of 36."""
    signs = "0123456789abcdefghijklmnopqrstuvwxyz"
    return (digits(number // 36) if number >= 36 else "") + signs[number % 36]


def test_a40_a_hundred_thousand_keys_get_a_short_answer(town, same):
    """Guard: populace/users/documents.py:UNKNOWN_MAX (users), populace/users/attributes.py:SIZE_MAX (attributes)."""
    keys = ",".join(f'"{digits(number)}":0' for number in range(100_000))
    assert len(keys) < 1 << 20
    same()
    for body in ("{%s}", '{"attributes":{%s}}'):
        assert sent(town, body % keys) == (400, "invalid")


@pytest.mark.parametrize(
    "body",
    [
        '{"first_name":"a","first_name":"b"}',
        '{"first_name":"a","first_name":"a"}',
        '{"first_name":"a","first\\u005fname":"b"}',
        '{"attributes":{"a":1},"attributes":{"b":1}}',
        '{"attributes":{"a":1,"\\u0061":2}}',
        '{"attributes":{"x":[{"":1,"":2}]}}',
        '{"identifiers":[{"email":"a@b.de","email":"c@d.de"}]}',
        '{"x":' * 60 + '{"a":1,"a":1}' + "}" * 60,
    ],
)
def test_a40_a_key_stands_once(town, same, takers, body):
    """The common parsers keep the last one, some the first. Guard: populace/api/parsers.py:_object."""
    same()
    for method, path in takers:
        assert sent(town, body, method, path) == (400, "duplicate_key"), path


@pytest.mark.parametrize("length", [4301, 5000, 500_000])
def test_a40_long_integers_cost_nothing(town, same, length):
    """Turning digits into a number costs their square. Guard: populace/api/parsers.py:decoded (Python's own limit)."""
    same()
    for number in ("9" * length, "-" + "9" * length, "1" * length + "e1", "0." + "1" * length + "e-999999999"):
        status, code = sent(town, f'{{"external_id":{number}}}')
        assert (status, code) in ((400, "malformed"), (400, "invalid"))


def test_a40_no_digit_is_lost(town):
    """Guard: populace/api/parsers.py:INT64, which refuses what would not fit; ids are text."""
    big = [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
    made = town.http.post(USERS, json={"external_id": "9007199254740993", "attributes": {"n": big}})
    assert made.status_code == 201
    for shown in (made, town.http.get(made.headers["Location"])):
        document = shown.json()
        assert document["attributes"] == {"n": big}
        assert document["external_id"] == "9007199254740993"
        assert isinstance(document["id"], str)
        for number in big:
            assert str(number) in shown.text
    [found] = town.http.get(USERS, params={"external_id": "9007199254740993"}).json()["results"]
    assert found["id"] == document["id"]
    assert town.http.get(USERS, params={"external_id": "9007199254740992"}).json()["results"] == []


def test_a40_a_number_is_no_id(town, same):
    """Guard: populace/users/documents.py:TextField.to_internal_value."""
    same()
    for number in ("9007199254740993", "1.0", "true", "[]", "{}"):
        assert sent(town, f'{{"external_id":{number}}}') == (400, "invalid")
    assert town.http.get(f"{USERS}/9007199254740993").status_code == 404


def test_a40_the_connection_is_good_for_the_next_call(town, same):
    """Guard: none of ours; the server reads or ends what a refusal has left unread."""
    same()
    with httpx.Client(base_url=town.url, headers=town.http.headers) as client:
        for body in (b"[" * DEEP, b"", b"\xff", b" " * (2 << 20), b'{"a":1,"a":1}'):
            assert client.post(USERS, content=body, headers={"Content-Type": "application/json"}).status_code in (
                400,
                413,
            )
            assert client.get(f"{USERS}/{town.victim}").json()["id"] == town.victim
