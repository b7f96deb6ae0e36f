"""docs/reference/errors.md and api.md, made of what the code declares: `python -m tests.support.reference` writes them.

tests/unit/test_reference_pages.py fails where they are not what this makes.
"""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT

ERRORS = """# Errors

<!-- Made by `python -m tests.support.reference`. -->

Whatever goes wrong is answered with a problem detail (RFC 9457), `application/problem+json`: `type`, `title`, `status`,
`detail`, `instance` (the request's id, also in `X-Request-ID` and in the log), `code`, and for single values `errors`,
each with a JSON `pointer` into the body (of a query: the parameter), a `code` and a `detail`. `type` is a page of the
server itself, `/problems/CODE`, open to everybody; `/problems/` lists them. No answer repeats a value that was sent.
"""
API = """# API

<!-- Made by `python -m tests.support.reference`. -->

Every call, as `/api/v1/openapi.json` has it (OpenAPI 3.1; in a browser: `/api/docs`). What all calls have in common
stands in [the conventions](api-conventions.md), who may call what in [rights](rights.md), refusals in
[errors](errors.md). Beside the refusals named here every call knows `malformed`, `invalid_host`, `unknown_parameter`,
`unauthenticated`, `forbidden`, `scope`, `rate_limited`, `internal`, `overloaded`, `db_pool_exhausted`,
`db_lock_timeout`, `query_timeout`, `storage_full` and `unavailable`; every call that writes also `invalid`,
`duplicate_key`, `too_large`, `unsupported_media_type` and, with an `Idempotency-Key`, `not_found`,
`idempotency_in_flight` and `idempotency_mismatch`.

## Calls
"""
type Shape = dict[str, Any]


def errors_page() -> str:
    """Return the page of all problems."""
    from populace.api.kinds import KINDS

    lines = [ERRORS]
    for status, items in groupby(sorted(KINDS.items(), key=lambda item: item[1].status), lambda item: item[1].status):
        lines.append(f"## {status}\n\n| code | meaning | what to do |\n|---|---|---|")
        lines += [f"| `{code}` | {kind.title}. {cell(kind.page)} | {cell(kind.remedy)} |" for code, kind in items]
        lines.append("")
    return "\n".join(lines)


def cell(text: str) -> str:
    """Return a text that can stand in a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def api_page() -> str:
    """Return the page of all calls."""
    from populace.api.schema.document import described

    document = json.loads(json.dumps(described()))
    lines = [API]
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            lines += call_lines(method.upper(), path, call, document)
    lines.append("## Bodies\n\nMembers of what calls take and give; * marks what has to be there.\n")
    for name, shape in document["components"]["schemas"].items():
        if shape.get("properties"):
            lines += [f"### {name}\n", "| member | type | |", "|---|---|---|", *member_lines(shape), ""]
    return "\n".join(lines)


COMMON = {
    *("malformed", "invalid_host", "unknown_parameter", "unauthenticated", "forbidden", "scope", "rate_limited"),
    *("not_found", "idempotency_in_flight", "idempotency_mismatch"),
    *("overloaded", "db_pool_exhausted", "db_lock_timeout", "query_timeout", "storage_full", "unavailable"),
    *("internal", "invalid", "duplicate_key", "too_large", "unsupported_media_type"),
}


def call_lines(method: str, path: str, call: Shape, document: Shape) -> Iterator[str]:
    """Yield what the page says of one call."""
    yield f"### {method} {path}\n\n{call['description']}\n"
    queried = [each for each in call["parameters"] if each.get("in") == "query"]
    headers = [each["$ref"].rpartition("/")[2] for each in call["parameters"] if "$ref" in each]
    if queried:
        yield "| parameter | type | |\n|---|---|---|"
        yield from (
            f"| `{each['name']}` | {type_of(each['schema'])} | {cell(each['description'])} |" for each in queried
        )
        yield ""
    told = [f"takes {reference(body)}" for body in bodies(call.get("requestBody", {}))]
    refused = set()
    for status, answer in call["responses"].items():
        if int(status) < 400:
            shown = " or ".join(map(reference, bodies(answer))) or "no body"
            told.append(f"answers {status} with {shown}" + (" and an `ETag`" if "ETag" in answer["headers"] else ""))
        else:
            problem = answer["content"]["application/problem+json"]["schema"]
            refused |= {code for part in problem["allOf"][1:] for code in part["properties"]["code"]["enum"]}
    told.append("heeds " + ", ".join(f"`{name}`" for name in headers if name != "X-Request-ID"))
    line = "; ".join(text for text in told if text != "heeds ")
    yield f"{line[0].upper()}{line[1:]}.\n"
    if own := [
        f"`{code}`"
        for code in document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
        if code in refused - COMMON
    ]:
        yield f"May refuse with {', '.join(own)}.\n"


def bodies(holder: Shape) -> list[Shape]:
    """Return the schemas of a body, each once."""
    found: list[Shape] = []
    for content in holder.get("content", {}).values():
        if content["schema"] not in found:
            found.append(content["schema"])
    return found


def reference(shape: Shape) -> str:
    """Return a link to a body of this page."""
    if "$ref" not in shape:
        return "text"
    name = shape["$ref"].rpartition("/")[2]
    return BARE.get(name) or f"[{name}](#{name.lower()})"


def member_lines(shape: Shape) -> Iterator[str]:
    """Yield a row of a table for each member."""
    for name, member in shape["properties"].items():
        star = "*" if name in shape.get("required", ()) else ""
        read_only = "Read-only. " if member.get("readOnly") else ""
        yield f"| `{name}`{star} | {type_of(member)} | {cell(read_only + member.get('description', ''))} |"


def type_of(shape: Shape) -> str:
    """Return a type in a few words."""
    if "$ref" in shape:
        return reference(shape)
    if "anyOf" in shape:
        return " or ".join(type_of(each) for each in shape["anyOf"])
    if "enum" in shape and len(shape["enum"]) < 7:
        return ", ".join(f"`{each}`" for each in shape["enum"])
    kinds = shape.get("type", "string")
    kind = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if "items" in shape:
        return f"array of {type_of(shape['items'])}"
    bounds = [f"{word} {shape[key]}" for word, key in BOUNDS if key in shape]
    return ", ".join([f"{kind} ({shape['format']})" if "format" in shape else kind, *bounds])


BARE = {"Schema": "the document", "AttributeSchema": "the schema", "Nothing": "nothing (or `{}`)"}
BOUNDS = (("from", "minimum"), ("to", "maximum"), ("at least", "minLength"), ("at most", "maxLength"))
PAGES = {"errors.md": errors_page, "api.md": api_page}


def path_of(name: str) -> Path:
    """Return where a page lies."""
    return ROOT / "docs/reference" / name


if __name__ == "__main__":
    import os

    import django

    os.environ |= {"POPULACE_MODE": "local", "DATABASE_URL": "sqlite:///.venv/check.sqlite3"}
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    for name, make in PAGES.items():
        path_of(name).write_text(make())
