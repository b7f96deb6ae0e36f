"""What a verb or a list of people may refuse, named for the fact."""

from collections.abc import Iterable, Sequence


class Invalid(ValueError):
    """A value breaks a rule of its field. `detail` never repeats the value; `field` names it, where known.

    Inside a field it is a JSON pointer without the first slash, as `attributes/department`. `more`: further faults.
    """

    def __init__(self, code: str, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.code, self.detail, self.field = code, detail, field
        self.more: Sequence[Invalid] = ()


class UserNotFound(LookupError):
    """Nobody has this id (any more)."""


class IdentifierTaken(Exception):
    """Somebody else holds identifiers of these kinds, sorted: `email`, `username`, `phone`, `external_id`.

    `confusable`: the user name looks like somebody else's, but is not the same.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        found = set(kinds)
        self.kinds = sorted(found - {"confusable"} if "username" in found else found)
        super().__init__(", ".join(self.kinds))

    @property
    def refusals(self) -> list[tuple[str, str]]:
        """Return (field, code) for each."""
        return [("username", kind) if kind == "confusable" else (kind, f"{kind}_taken") for kind in self.kinds]


class VersionMismatch(Exception):
    """The person was changed after the version the caller had read. Nothing was written."""


class NoIdentifier(Exception):
    """A person needs at least one of user name, e-mail, phone and external id."""


class Forbidden(Exception):
    """The actor lacks a right that the other person has, or that would be given."""


class LastOwner(Exception):
    """Nobody active would hold the role owner any more."""


class Refused(ValueError):
    """A list that is not served: what is asked of `parameter` has no index, no meaning, or no end."""

    def __init__(self, code: str, parameter: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.parameter, self.detail = code, parameter, detail
