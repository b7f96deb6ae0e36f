"""Every combination that is not served: each is refused, and the refusal names the orders that are."""

import itertools
from dataclasses import dataclass, field

from django.test import Client

from bench.scale_pages import PATH
from bench.scale_people import Directory
from populace.users.querysets import FILTERS, IDENTIFIERS, ORDERS, orders_for

OTHERS = [name for name in FILTERS if name not in IDENTIFIERS]


@dataclass
class Refusals:
    """How many combinations of filters and order are served and refused, and what is wrong."""

    served: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


def ask_all(client: Client, directory: Directory) -> Refusals:
    """Ask for every set of filters (but identifiers, beside which all is served) in every order."""
    found = Refusals()
    orders = [sign + order for order in (*ORDERS, "id") for sign in ("", "-")]
    for size in range(len(OTHERS) + 1):
        for names in itertools.combinations(OTHERS, size):
            served, given = orders_for(names), {name: directory.values[name][0] for name in names}
            for order in orders:
                if order in served:
                    found.served += 1
                    continue
                found.refused += 1
                answer = client.get(PATH, {**given, "order": order})
                named = served or [each for name in names for each in orders_for([name])]
                if answer.status_code != 400 or answer.json()["code"] != "order_not_served":
                    found.faults.append(f"{given} {order}: {answer.status_code}")
                elif unnamed := [each for each in named if each not in answer.json()["detail"]]:
                    found.faults.append(f"{given} {order}: does not name {unnamed}")
    return found
