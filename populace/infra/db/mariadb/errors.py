"""MariaDB's numbers of errors (its manual, "MariaDB Error Codes"), which are a Django error's first argument."""

from typing import Any

UNIQUE_VIOLATION = 1062
LOCK_TIMEOUT = 1205
DEADLOCK = 1213
STATEMENT_TIMEOUT = 1969
STORAGE_FULL = 1021

# To make a trigger: no right to; not beside a binary log without SUPER; not with somebody else's name.
FORBIDDEN = {1142, 1227, 1419}

# Too many connections; bad greeting, no such user or database; it goes down; it ended the connection, or could not read
# or write it; and the driver's own.
AWAY = {1040, 1042, 1043, 1044, 1045, 1049, 1053, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1927, *range(2000, 3000)}


def number_of(error: BaseException) -> int:
    """Return MariaDB's number of a Django error, 0 for another engine's."""
    first: Any = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0
