"""Why an import does not begin."""


class FileRefused(Exception):
    """The file as a whole cannot be imported; the message says why and quotes no cell of it."""


class OptionRefused(ValueError):
    """There is no such format or way to deal with conflicts; the message names those that there are."""
