"""A44: what an operator's schema, or the attributes it is asked about, could make a check cost or reach."""

import json
import socket
import threading
from time import perf_counter

import pytest

from populace.audit.actors import SYSTEM
from populace.users.attributes import SIZE_MAX, check
from populace.users.attributes_actions import replace_schema
from populace.users.attributes_check import Compiled
from populace.users.attributes_schema import check_schema
from populace.users.errors import Invalid
from populace.users.models import AttributeSchema

pytestmark = pytest.mark.django_db

SCHEMA = "/api/v1/attribute-schema"
EVIL = [
    "(a+)+$",
    "^(a|aa)+$",
    "^(a?){60}a{60}$",
    "(.*)(.*)(.*)(.*)(.*)x$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    r"^(\w+\s?)+$",
]


@pytest.mark.parametrize("pattern", EVIL)
def test_a44_no_pattern_takes_longer_than_the_text_is_long(pattern):
    """Guard: populace/users/attributes_check.py:Compiled (RegexOptions)."""
    replace_schema({"additionalProperties": {"pattern": pattern}}, by=SYSTEM)
    check({})  # reads and compiles
    for size in (5_000, SIZE_MAX - 100):
        started = perf_counter()
        with pytest.raises(Invalid):
            check({"x": "a" * size + "!"})
        assert perf_counter() - started < 0.1


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)b", r"(a)\1", "(?<!x)y", "(a){1000}{1000}", "[", "a" * 1_000_000],
    ids=["look-ahead", "back-reference", "look-behind", "huge", "broken", "long"],
)
def test_a44_what_needs_backtracking_or_memory_is_refused(client, pattern):
    """Guard: populace/users/attributes_check.py:Compiled, check_schema."""
    started = perf_counter()
    response = client.put(SCHEMA, {"pattern": pattern})
    assert perf_counter() - started < 1
    assert response.status_code in (400, 413)
    assert len(response.content) < 2000
    assert not AttributeSchema.objects.exists()


def test_a44_patterns_are_counted(client):
    """Guard: populace/users/attributes_schema.py:check_schema."""
    many = {"properties": {f"p{n}": {"pattern": "a{200}"} for n in range(30)}}
    assert client.put(SCHEMA, many).status_code == 200
    more = {**many, "patternProperties": {f"^x{n}$": {} for n in range(30)}}
    assert "50 patterns" in client.put(SCHEMA, more).json()["errors"][0]["detail"]


def nested(depth):
    schema = {}
    for _ in range(depth - 1):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    "document",
    [
        nested(17),
        {"anyOf": [nested(16)] * 2},
        {"enum": ["x" * 100] * 400},
        {"properties": {f"p{n}": {"title": "x"} for n in range(3000)}},
    ],
    ids=["deep", "deep in a list", "large", "wide"],
)
def test_a44_size_and_depth_of_a_schema_are_bounded(client, document):
    """Guard: populace/users/attributes_schema.py:check_schema, _schemas."""
    response = client.put(SCHEMA, document)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert not AttributeSchema.objects.exists()
    check_schema(nested(16))


DEAR = {
    "any of many": ({"items": {"anyOf": [{"const": n} for n in range(1500)]}}, [5000] * 3000),
    "many of many": ({"anyOf": [{"items": {"const": n}} for n in range(1000)]}, [5000] * 3000),
    "one of many": ({"items": {"enum": [*range(4000)]}}, [5000] * 3000),
    "properties nobody has": (
        {"items": {"properties": {f"p{n}": {} for n in range(2000)}, "maxProperties": 0}},
        [{"x": 1}] * 1500,
    ),
    "many texts": ({"items": {"allOf": [{"pattern": f"(a|b)*c{n}$"} for n in range(50)]}}, ["a" * 300] * 40),
}


@pytest.mark.parametrize("name", DEAR)
def test_a44_the_dearest_check_is_bounded(name):
    """Each part of the largest schema meets each part of the largest value. Guard: users/attributes_check.py:check."""
    of_x, value = DEAR[name]
    schema = {"properties": {"x": of_x}}
    check_schema(schema)
    assert len(json.dumps(value)) < 1.2 * SIZE_MAX
    compiled = Compiled(schema)
    started = perf_counter()
    with pytest.raises(Invalid) as refused:
        compiled.check({"x": value}, "attributes")
    assert perf_counter() - started < 1
    assert refused.value.field.startswith("attributes")


@pytest.fixture
def listener():
    """A port that counts who comes: `listener.port`, `listener.came`."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)
    came = []

    def accept():
        while not came and server.fileno() != -1:
            try:
                came.append(server.accept())
            except TimeoutError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield server.getsockname()[1], came
    server.close()
    thread.join()


@pytest.mark.parametrize(
    "keyword", ["$ref", "$dynamicRef", "$recursiveRef", "$id", "$schema", "$anchor", "$vocabulary"]
)
def test_a44_nothing_is_fetched_or_referred_to(client, listener, keyword):
    """Guard: populace/users/attributes_schema.py:_wrong (KNOWN), Compiled (offline)."""
    port, came = listener
    for target in (f"http://127.0.0.1:{port}/x", "file:///etc/passwd", "#", "#/$defs/a"):
        for document in ({keyword: target}, {"properties": {"a": {"allOf": [{keyword: target}]}}}):
            response = client.put(SCHEMA, document)
            assert response.status_code == 400
            assert "root:" not in response.text
    with pytest.raises(Invalid):
        Compiled({"$ref": f"http://127.0.0.1:{port}/x"})
    assert came == []


def test_a44_a_schema_is_not_run(client, make_user):
    """A property called like a method, or like JavaScript's prototype, is a name like any other."""
    hostile = {name: {"type": "string"} for name in ("__proto__", "__class__", "constructor", "%(x)s", "{0.__class__}")}
    assert client.put(SCHEMA, {"properties": hostile, "additionalProperties": False}).status_code == 200
    person = make_user(attributes=dict.fromkeys(hostile, "x"))
    assert person["attributes"] == dict.fromkeys(hostile, "x")
