"""The whole of the schema: every route of populace/api/urls.py with what its view declares and calls.py adds."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version

from populace.api.authentication import QUOTA
from populace.api.kinds import KINDS
from populace.api.lists import ListView
from populace.api.schema.calls import CALLS, OPEN_LOCALLY, Call
from populace.api.schema.components import components
from populace.api.schema.parameters import headers, queried, served
from populace.api.schema.shapes import TEXT, UUID, Shape
from populace.api.views import JSON, DocumentView, LeanView

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PROBLEM = "application/problem+json"
MERGE_PATCH = "application/merge-patch+json"

REFUSING = ("malformed", "invalid_host", "unknown_parameter", "rate_limited", "internal", "overloaded")
EVERY = (*REFUSING, "db_pool_exhausted", "db_lock_timeout", "query_timeout", "storage_full", "unavailable")
GUARDED = ("unauthenticated", "forbidden", "scope")
WITH_BODY = ("invalid", "duplicate_key", "too_large", "unsupported_media_type")
LISTED = ("invalid", "too_many", "invalid_cursor", "order_not_served", "not_indexed")
KEYED = ("idempotency_in_flight", "idempotency_mismatch", "not_found")

ANSWER_HEADERS = {
    "X-Request-ID": "The request's id, also in the log.",
    "ETag": "What this is now: for If-Match and If-None-Match.",
    "Location": "Path of what was made.",
    "Idempotency-Replayed": "`true`: the call was made before, and this is what it made, as it is now.",
    "RateLimit": "Calls that are left, and seconds until all are.",
    "RateLimit-Policy": "Calls that are granted, and in how many seconds.",
    "Retry-After": "Seconds to wait.",
    "Allow": "The methods of this path.",
    "WWW-Authenticate": "How to authenticate.",
}
REQUIRED = {"X-Request-ID", "ETag", "Location", "Retry-After", "WWW-Authenticate"}
WAIT = {409: (), 429: ("Retry-After",), 503: ("Retry-After",), 401: ("WWW-Authenticate",)}


@cache
def document() -> bytes:
    """Return the document as JSON; made once, then kept."""
    return json.dumps(described()).encode()


def described() -> Shape:
    """Return the document."""
    paths: dict[str, dict[str, Shape]] = {}
    for method, path, view in routes():
        operation = _operation(method, path, view, CALLS[method, path])
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Populace",
            "version": version("populace"),
            "description": "People, groups, roles, tokens, events. Every error is a problem detail (RFC 9457) "
            "whose `type` is a page of this server; see `/problems/`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components(),
            "parameters": headers(),
            "headers": {name: _header(name, text) for name, text in ANSWER_HEADERS.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "pop_…"}},
        },
    }


def routes() -> Iterator[tuple[str, str, type[LeanView]]]:
    """Yield (method, path, view) of every call that asks for a token, in the order of calls.py."""
    from populace.api.urls import urlpatterns  # which names the view of this document, too

    found: dict[tuple[str, str], type[LeanView]] = {}
    for pattern in urlpatterns:
        if view := getattr(pattern.callback, "cls", None):
            for path in paths_of(str(pattern.pattern)):
                found |= {(method, path): view for method in METHODS if hasattr(view, method.lower())}
    for method, path in sorted(found, key=list(CALLS).index):
        yield method, path, found[method, path]


def paths_of(regex: str) -> list[str]:
    """Return the readable paths of a pattern: `(?P<id>…)` becomes {id}, a choice of words becomes a path each."""
    text = "/" + regex.removeprefix("^").removesuffix("/?$").replace("\\.", ".")
    choice = re.search(r"\(\?P<\w+>(\w+(?:\|\w+)+)\)", text)
    texts = [text.replace(choice[0], word) for word in choice[1].split("|")] if choice else [text]
    return [re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", one) for one in texts]


def _operation(method: str, path: str, view: type[LeanView], call: Call) -> Shape:
    """Return what one call takes and gives."""
    named = view.scopes_of(method)
    needs = " or ".join(f"`{name}`" for name in named)
    lists = issubclass(view, ListView) and method == "GET"
    text = [f"{call.says}\n\nNeeds {needs}" + (" outside local mode." if path in OPEN_LOCALLY else ".")]
    if path == "/api/v1/users" and lists:
        text.append(served())
    operation: Shape = {
        "operationId": call.name,
        "summary": call.says.partition(". ")[0].partition(";")[0].rstrip("."),
        "description": "\n\n".join(text),
        "tags": ["server" if path in OPEN_LOCALLY else path.split("/")[3]],
        "security": [*({"token": [name]} for name in named), *([{}] if path in OPEN_LOCALLY else [])],
        "parameters": _parameters(method, path, view, call),
        "responses": _responses(method, path, view, call),
    }
    if call.takes:
        operation["requestBody"] = _body(method, call)
    return operation


def _parameters(method: str, path: str, view: type[LeanView], call: Call) -> list[Shape]:
    found: list[Shape] = []
    if "{id}" in path:
        found.append({"name": "id", "in": "path", "required": True, "schema": UUID})
    if issubclass(view, ListView) and method == "GET":
        found += queried(view)
    names = ["X-Request-ID"]
    names += ["If-None-Match"] if is_revalidated(method, path, view, call) else []
    names += ["If-Match"] if call.conditional else []
    names += ["Idempotency-Key"] if method in view.keyed else []
    return found + [{"$ref": f"#/components/parameters/{name}"} for name in names]


def is_revalidated(method: str, path: str, view: type[LeanView], call: Call) -> bool:
    """Tell whether If-None-Match counts."""
    return method == "GET" and call.etag and (issubclass(view, DocumentView) or path in OPEN_LOCALLY)


def _body(method: str, call: Call) -> Shape:
    content: Shape = {"schema": {"$ref": f"#/components/schemas/{call.takes}"}}
    if call.example is not None:
        content["examples"] = {call.name: {"value": call.example}}
    media = (MERGE_PATCH, JSON) if method == "PATCH" else (call.media or JSON,)
    return {"required": call.body_required, "content": dict.fromkeys(media, content)}


def _responses(method: str, path: str, view: type[LeanView], call: Call) -> Shape:
    status = view.success.get(method, 200)
    names = ["X-Request-ID", *(["RateLimit", "RateLimit-Policy"] if QUOTA else [])]
    own = [*(["ETag"] if call.etag else []), *(["Location"] if status in (201, 202) else [])]
    own += ["Idempotency-Replayed"] if method in view.keyed else []
    success: Shape = {"description": "Done.", "headers": _headers(names + own)}
    if status != 204:
        ref = {"$ref": f"#/components/schemas/{call.gives}"}
        text: Shape = {media: {"schema": TEXT} for media in call.gives.split()}
        success["content"] = text if "/" in call.gives else {JSON: {"schema": ref}}
    if status == 201 and "{id}" not in path:
        success["links"] = _links(path)
    found = {str(status): success}
    for other, component in call.also:
        content = {JSON: {"schema": {"$ref": f"#/components/schemas/{component}"}}}
        found[str(other)] = {"description": "Done.", "headers": _headers(names), "content": content}
    if is_revalidated(method, path, view, call):
        found["304"] = {"description": "It is still what you hold.", "headers": _headers([*names, "ETag"])}
    codes = _codes(method, path, view, call)
    for refused in sorted({KINDS[code].status for code in codes}):
        of_status = [code for code in KINDS if code in codes and KINDS[code].status == refused]
        found[str(refused)] = _refusal(of_status, [*names, *WAIT.get(refused, ())])
    return found


def _links(collection: str) -> Shape:
    """Return the calls that the id of what was made is good for."""
    return {
        call.name: {"operationId": call.name, "parameters": {"id": "$response.body#/id"}}
        for (_, path), call in CALLS.items()
        if path.startswith(f"{collection}/{{id}}")
    }


def _codes(method: str, path: str, view: type[LeanView], call: Call) -> set[str]:
    """Return every code that the call may be refused with."""
    lists = issubclass(view, ListView) and method == "GET"
    groups = (
        (EVERY, True),
        (GUARDED, True),
        (("not_found",), "{id}" in path),
        (LISTED, lists),
        (WITH_BODY, method != "GET"),
        (("precondition_failed",), call.conditional),
        (KEYED, method in view.keyed),
        (call.refuses, True),
    )
    return {code for codes, applies in groups if applies for code in codes}


def _refusal(codes: list[str], names: Iterable[str]) -> Shape:
    problem: Shape = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"code": {"enum": codes}}}]}
    told = " ".join(f"[`{code}`](/problems/{code})" for code in codes)
    return {"description": told, "headers": _headers(names), "content": {PROBLEM: {"schema": problem}}}


def _headers(names: Iterable[str]) -> Shape:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(name: str, text: str) -> Shape:
    return {"description": text, "schema": TEXT, **({"required": True} if name in REQUIRED else {})}
