"""MariaDB's numbers of errors (its manual, "MariaDB Error Codes"); Django's errors have them as their first argument."""

UNIQUE_VIOLATION = 1062
LOCK_TIMEOUT = 1205
DEADLOCK = 1213
STATEMENT_TIMEOUT = 1969
