"""What a verb about a person may refuse, named for the fact."""

from collections.abc import Iterable


class Invalid(ValueError):
    """A value breaks a rule of its field. `detail` never repeats the value; `field` names it, where known."""

    def __init__(self, code: str, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.code, self.detail, self.field = code, detail, field


class UserNotFound(LookupError):
    """Nobody has this id (any more)."""


class IdentifierTaken(Exception):
    """Somebody else holds identifiers of these kinds (`email`, `username`, `phone`, `external_id`), sorted."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.kinds = sorted(set(kinds))
        super().__init__(", ".join(self.kinds))


class VersionMismatch(Exception):
    """The person was changed after the version the caller had read. Nothing was written."""


class NoIdentifier(Exception):
    """A person needs at least one of user name, e-mail, phone and external id."""
