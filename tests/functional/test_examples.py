"""Every example of the schema works: sent in order to a server, each is answered as the schema says."""

import json

import pytest

from tests.support.openapi import Contract
from tests.support.processes import wait_until


@pytest.fixture
def contract(server):
    return Contract(server.http.get("/api/v1/openapi.json").json())


def in_order(contract):
    """Yield (method, path, operation): as the document has them, whatever removes comes last."""
    calls = [
        (method.upper(), path, operation)
        for path, methods in contract.document["paths"].items()
        for method, operation in methods.items()
    ]
    order = {"PUT": 0, "POST": 1, "PATCH": 2, "GET": 3, "DELETE": 4}
    # A person is made before the path that names one is walked; `sorted` keeps the document's order.
    return sorted(calls, key=lambda call: (order[call[0]], "{id}" in call[1]))


def test_every_example_is_answered_as_the_schema_says(server, contract):
    """populace/api/schema/calls.py:CALLS"""
    made, sent = {}, set()
    for method, path, operation in in_order(contract):
        if path in ("/api/docs", "/metrics"):
            continue
        collection = "/".join(path.split("/")[:4])
        contents = operation.get("requestBody", {"content": {"": {}}})["content"]
        for media, content in contents.items():
            bodies = [example["value"] for example in content.get("examples", {"": {"value": None}}).values()]
            for body in bodies:
                at = path.replace("{id}", made.get(MADE_BY.get(path, collection), ""))
                response = server.http.request(method, at, **content_of(media, body))
                assert response.status_code < 300, (method, path, response.text)
                contract.check(method, path, response.status_code, response.headers, response.content)
                sent.add((method, path))
                if response.status_code == 201 and path == collection:
                    made[collection] = response.json()["id"]
                if response.status_code == 202:
                    made["/api/v1/jobs"] = made[path] = response.json()["id"]
                    wait_until(lambda at=response.headers["Location"]: is_over(server, at), "the job is over")
    assert len(sent) == sum(map(len, contract.document["paths"].values())) - 2
    assert set(made) >= {f"/api/v1/{name}" for name in ("users", "groups", "tokens", "jobs")}


MADE_BY = {
    "/api/v1/jobs/{id}/errors": "/api/v1/imports",
    "/api/v1/jobs/{id}/result": "/api/v1/exports",
    "/api/v1/jobs/{id}/undo": "/api/v1/bulk-actions",
}
"""Paths that are not of every job, and what makes one that has it."""


def content_of(media, body):
    """Return how a body is sent."""
    if body is None:
        return {}
    if media == "multipart/form-data":
        fields = {name: (None, text) for name, text in body.items() if name != "file"}
        return {"files": fields | {"file": ("people.csv", body["file"], "text/csv")}}
    return {"content": json.dumps(body), "headers": {"Content-Type": media}}


def is_over(server, job):
    return server.http.get(job).json()["state"] not in ("queued", "running")
