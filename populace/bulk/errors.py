"""Why an import does not begin, and what is wrong about a job."""


class FileRefused(Exception):
    """The file as a whole cannot be imported; the message says why and quotes no cell of it."""


class OptionRefused(ValueError):
    """There is no such format or way to deal with conflicts; the message names those that there are."""


class JobNotFound(LookupError):
    """There is no such job."""


class TooManyJobs(Exception):
    """Too many jobs of this person wait or run."""
