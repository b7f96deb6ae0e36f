"""What a verb about secrets may refuse."""


class TokenNotFound(LookupError):
    """No token has this id (any more)."""


class UnknownScope(ValueError):
    """One of the scopes is not in tokens.SCOPES, or there is none."""


class ExceedsToken(Exception):
    """A token would make one that may do more, or works for longer, than itself."""


class TooManyTokens(Exception):
    """The owner has as many tokens as one person may have."""


NAME_MAX = 200  # characters of a token's name


class NameTooLong(ValueError):
    """A token's name has more than NAME_MAX characters, or holds what cannot be stored."""


class HashUnknown(ValueError):
    """A finished hash is of no kind we check, or not whole."""


class HashTooCostly(ValueError):
    """Checking a password against this hash would take too much time or memory: the cost stands in the hash."""
