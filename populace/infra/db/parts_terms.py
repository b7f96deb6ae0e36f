"""What every engine's index of parts has in common: of which texts it is, and which words it can look up."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from django.db.backends.base.base import BaseDatabaseWrapper

LETTERS = 3  # in a row: what the index is made of

type Known = Callable[[str], bool]
"""Tells of a character whether an index keeps what is written with it."""


class Unavailable(Exception):
    """This database takes no such index; the message says why, in one line."""


class Texts(NamedTuple):
    """The columns of a table that are searched as one text, and the name of their index. The table's key is `id`."""

    name: str  # another one where columns or engines' ways change: what is there by this name is taken as it is
    table: str
    columns: tuple[str, ...]


class Engine(Protocol):
    """How one engine keeps such an index. Each is a module, `parts_` and the engine's name.

    What parts.py and users/search_parts.py write themselves (`||`, STRPOS, MATERIALIZED) must have its word there, too.
    """

    EAGER: bool
    """Whether a look-up gathers all there is before it gives the first: then common parts are not to be looked up."""
    PARAMS: tuple[str, ...]
    """Names of what `condition` takes, in its order."""

    def ensure(self, texts: Texts, connection: BaseDatabaseWrapper) -> None:
        """Make the index, or what is missing of it; outside any transaction. Raises Unavailable."""

    def drop(self, texts: Texts, connection: BaseDatabaseWrapper) -> None:
        """Remove it, if it is there."""

    def known(self, texts: Texts, connection: BaseDatabaseWrapper) -> Known | None:
        """Return which characters it keeps; None where it is not there, or not whole."""

    def terms(self, spellings: Sequence[str], known: Known) -> dict[str, str | None]:
        """Return the values of PARAMS that find any of the spellings; None for all where none can be looked up."""

    def condition(self, texts: Texts, key: str, columns: Sequence[str], limit: int | None) -> str:
        """Return the condition in SQL, a %s for each of PARAMS; of the key and columns as they are written in it.

        `limit`: how many rows a look-up may find where the engine bounds it in here.
        """

    def tidy(self, texts: Texts, connection: BaseDatabaseWrapper) -> bool:
        """Remove some of what is left of deleted texts; tell whether there is more."""


def is_letter(character: str) -> bool:
    """Tell whether this is a letter or a decimal digit, of any script."""
    return character.isalpha() or character.isdecimal()


def is_ascii_letter(character: str) -> bool:
    """Tell whether this is a to z, A to Z or 0 to 9."""
    return character.isascii() and character.isalnum()


def has_letters(text: str, known: Known = is_letter) -> bool:
    """Tell whether enough letters or digits stand in a row for an index to have them."""
    row = 0
    for character in text:
        row = row + 1 if known(character) else 0
        if row == LETTERS:
            return True
    return False
