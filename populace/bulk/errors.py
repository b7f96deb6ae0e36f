"""Why an import does not begin, and what is wrong about a job."""

from collections.abc import Sequence


class FileRefused(Exception):
    """The file as a whole cannot be imported; the message says why and quotes no cell of it."""


class OptionRefused(ValueError):
    """There is no such format or way to deal with conflicts; the message names those that there are."""


class NotConfirmed(Exception):
    """So many people are concerned that whoever asks must say how many; `count` is how many."""

    def __init__(self, count: int) -> None:
        super().__init__(str(count))
        self.count = count


class NotUndoable(Exception):
    """The job has not ended, or what it did cannot be undone; the message says which."""


class Beyond(Exception):
    """Some of the people hold rights that who asks lacks: all is refused. `places` of their ids, or how many."""

    def __init__(self, count: int, places: Sequence[int] = ()) -> None:
        super().__init__(str(count))
        self.count, self.places = count, places


class JobNotFound(LookupError):
    """There is no such job."""


class TooManyJobs(Exception):
    """Too many jobs of this person wait or run."""
