"""docs/reference/tasks.md promises what the contract suite proves, and gives the limits that are in force."""

from populace.infra.tasks import current, queue, transit
from populace.infra.tasks.arguments import BYTES
from populace.infra.tasks.dead import DEAD_DAYS
from tests.support.guarantees import PAGE, shown, table


def test_the_guarantees_are_the_tests_of_the_contract():
    assert shown() == table(), "python -m tests.support.guarantees writes it anew"


def test_the_limits_of_the_page_are_those_of_the_code():
    text = " ".join(PAGE.read_text().split())
    for sentence in (
        f"{queue.TRIES} tries",
        f"a lease of {queue.LEASE_S} s",
        f"after {current.SLICE_S} s",
        f"more than {current.LIMIT_S // 60} minutes",
        f"at most {BYTES >> 10} KiB",
        f"{transit.WINDOW} ids",
        f"{transit.SENT_S} s",
        f"{queue.KEEP_DAYS} days",
        f"stay for {DEAD_DAYS} days",
    ):
        assert sentence in text, sentence
