"""What a production start refuses although it is well-formed (attack A74). Local mode, on loopback only, takes it."""

import re
from collections.abc import Iterable, Mapping

from config import env

KEY_CHARACTERS, KEY_DISTINCT = 50, 5  # at least; as `manage.py check --deploy` asks (security.W009)
EXAMPLE_KEY = "django-insecure-"  # what django-admin startproject begins a key with

# A name of RFC 1123 section 2.1 or an address: no "*", and no leading dot, which Django takes for all subdomains.
_host = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})*|[0-9a-f:.]*:[0-9a-f:.]*").fullmatch


def stated(values: Mapping[str, str]) -> None:
    """Blame all variables that are empty, in one sentence."""
    if missing := [name for name, value in values.items() if not value]:
        env.blame(", ".join(missing), "must be set in production (POPULACE_MODE=local is for your own machine)")


def strong(name: str, keys: Iterable[str]) -> None:
    """Blame `name` unless every key is long and looks random."""
    for key in filter(None, keys):
        if len(key) < KEY_CHARACTERS or len(set(key)) < KEY_DISTINCT or key.startswith(EXAMPLE_KEY):
            env.blame(name, f"must be at least {KEY_CHARACTERS} random characters, and none that stand in an example")
            return


def host(name: str, url: str, *, https: bool) -> str:
    """Return the URL's host as Django's ALLOWED_HOSTS spells it (IPv6 in brackets); "" where `name` is to blame."""
    parts = env.url(name, url)
    found = parts.hostname or ""
    if parts.scheme not in ("https",) if https else parts.scheme not in ("https", "http"):
        env.blame(name, "must begin with https://" + ("" if https else " or http://"))
    elif not _host(found) or parts.username is not None or parts.query or parts.fragment:
        env.blame(name, "must be a scheme, one host and perhaps a port, as in https://people.example.com")
    else:
        return f"[{found}]" if ":" in found else found
    return ""
