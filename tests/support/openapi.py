"""The served schema as a judge of answers: whatever a documented call answers must be what the document says."""

import json
import re
from functools import cache
from typing import Any

import jsonschema_rs


class Contract:
    """`check` raises AssertionError about an answer that the document does not allow."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        # A word before {id}: /users/lookup is not a person.
        self.paths = sorted(document["paths"], key=lambda path: path.count("{"))
        self.validator = cache(self._validator)

    def path_of(self, path: str) -> str | None:
        """Return which of the document's paths this is."""
        path = path.partition("?")[0].rstrip("/")
        fits = (known for known in self.paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path))
        return next(fits, None)

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """Return what the document says of the call, None where it says nothing."""
        return self.document["paths"].get(self.path_of(path), {}).get(method.lower())

    def _validator(self, shape: str) -> Any:
        whole = {**json.loads(shape), "components": self.document["components"]}
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)

    def check(self, method: str, path: str, status: int, headers: Any, body: bytes) -> None:
        """Compare status, headers, media type and body with the document."""
        if (operation := self.operation(method, path)) is None:
            return
        where = f"{method} {path}: {status} {body[:300]!r}"
        said = operation["responses"].get(str(status))
        assert said, where
        for name, header in said["headers"].items():
            declared = self.document["components"]["headers"][name]
            assert header == {"$ref": f"#/components/headers/{name}"}
            assert name in headers or not declared.get("required"), (where, name)
        if "content" not in said:
            assert body == b"", where
            return
        media = headers["Content-Type"].partition(";")[0]
        assert {media, "*/*"} & said["content"].keys(), (where, media)
        if media.endswith("json"):
            faults = [str(fault) for fault in self.errors(said["content"][media]["schema"], json.loads(body))]
            assert faults == [], where

    def errors(self, shape: dict[str, Any], value: Any) -> list[Any]:
        """Return what is wrong with a value."""
        return list(self.validator(json.dumps(shape)).iter_errors(value))
