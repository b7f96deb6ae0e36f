"""Every call of the API, from its own router, and what docs/reference/rights.md says it needs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/reference/rights.md"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Endpoint(NamedTuple):
    """A method on a path, `{id}` and the like in it."""

    method: str
    path: str

    def at(self, **places: str) -> str:
        """Return the path of one thing; what is not named there is nothing's."""
        return re.sub(r"\{(\w+)\}", lambda found: places.get(found[1], "0"), self.path)


def endpoints() -> Iterator[Endpoint]:
    """Yield every method that a view answers, HEAD included."""
    for path, view in views():
        yield from (Endpoint(method, path) for method in METHODS if answers(view, method))


def refused_methods() -> Iterator[Endpoint]:
    """Yield every method that no view answers, on each path."""
    for path, view in views():
        yield from (Endpoint(method, path) for method in METHODS if not answers(view, method))


def answers(view: type, method: str) -> bool:
    name = method.lower()
    return hasattr(view, name) or (name == "head" and hasattr(view, "get"))


def views() -> Iterator[tuple[str, type]]:
    """Yield (path, view class) of everything that asks for a token."""
    from populace.api.urls import urlpatterns

    for pattern in urlpatterns:
        if view := getattr(pattern.callback, "cls", None):
            for path in paths_of(pattern.pattern.regex.pattern):
                yield path, view


def paths_of(regex: str) -> list[str]:
    """Return the readable paths of a pattern: `(?P<id>…)` becomes {id}, a choice becomes a path each."""
    text = "/" + regex.removeprefix("^").removesuffix("/?$").replace("\\.", ".")
    choice = re.search(r"\(\?P<\w+>(\w+(?:\|\w+)+)\)", text)
    texts = [text.replace(choice[0], word) for word in choice[1].split("|")] if choice else [text]
    return [re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", one) for one in texts]


def documented() -> dict[Endpoint, str]:
    """Return the permission that the page gives for each call."""
    rows = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \| `([^`]+)`", PAGE.read_text(), re.MULTILINE)
    found = {Endpoint(method, path): permission for method, path, permission in rows}
    return found | {Endpoint("HEAD", path): found[one] for one in found if (path := one.path) and one.method == "GET"}


def documented_roles() -> dict[str, set[str]]:
    """Return the permissions that the page gives for each role."""
    rows = re.findall(r"^\| `(\w+)` \| ((?:`[\w:]+` ?)+) ?\|$", PAGE.read_text(), re.MULTILINE)
    return {role: set(re.findall(r"`([\w:]+)`", permissions)) for role, permissions in rows}
