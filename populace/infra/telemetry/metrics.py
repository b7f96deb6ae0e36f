"""Every metric of this system, declared in one place. Names: prometheus.io/docs/practices/naming.

config/settings.py names the folder of the processes' files (PROMETHEUS_MULTIPROC_DIR) before this import, so that one
scrape (scrape.py) shows all processes of the machine, whichever of them answers it.
"""

from prometheus_client import Counter, Gauge, Histogram

# Seconds. A cached GET takes well under a millisecond, a statement is ended after five seconds.
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

HTTP_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time from reading a request's head to its finished reply.",
    ["method", "route", "status"],
    buckets=_BUCKETS_S,
)
DB_ERRORS = Counter("db_connection_errors", "Times that the database did not answer, or hung up in between.")
DEADLOCK_RETRIES = Counter(
    "db_deadlock_retries", "Verbs done anew because the database had rolled them back: deadlock, serialization failure."
)
POOL_IN_USE = Gauge(
    "db_pool_in_use",
    "Connections to the database that somebody holds, as seen five times a second.",
    multiprocess_mode="livesum",
)
POOL_WAIT = Histogram(
    "db_pool_wait_seconds",
    "Time until those who found no idle connection had one or gave up; most have one at once and are not in it.",
    buckets=_BUCKETS_S,
)
LOG_LINES_LOST = Counter("log_lines_lost", "Log lines that nobody reads: standard error did not take them.")
HASHING_BUSY = Counter("password_hashing_busy", "Passwords not hashed because every slot stayed taken.")

LOGINS_FOLDED = Counter(
    "login_failures_folded", "Refused sign-ins without an event of their own: there were enough of them that minute."
)

EVENTS_DISPATCHED = Counter("events_dispatched", "Outbox rows moved to the feed.")
PARTITIONS_MISSING = Gauge(
    "audit_partitions_missing",
    "Of this month and the next, how many have no partition of their own, as last seen by a worker.",
    multiprocess_mode="livemostrecent",
)
OUTBOX_OLDEST = Gauge(
    "outbox_oldest_seconds",
    "Age of the oldest event that is not in the feed yet, as last seen by a worker.",
    multiprocess_mode="livemostrecent",
)
TASKS_DONE = Counter("tasks_done", "Tasks that ended well.", ["task"])
TASKS_DEAD = Counter("jobs_dead", "Tasks given up after their last try.", ["task"])
BROKER_ERRORS = Counter("task_broker_errors", "Times that the broker of TASKS_URL did not answer.")
LEASES_LOST = Counter("lease_lost", "Tasks whose worker found, when it was done, that another had taken over.")

MAIL_FAILURES = Counter(
    "mail_failures",
    "Tries to hand a mail over that failed; kind: refused for good, deferred, or the server itself is in trouble.",
    ["kind"],
)
MAIL_DROPPED = Counter("mail_dropped", "Mails given up; why: refused for good, or expired before they went.", ["why"])
MAIL_OLDEST = Gauge(
    "mail_oldest_seconds",
    "Age of the oldest mail that waits to be handed over, as last seen by a worker.",
    multiprocess_mode="livemostrecent",
)
