"""Somebody who changes people while others read them, until standard input ends.

`python -m bench.scale_writer TURN OF` creates, updates, deactivates, activates and erases by the verbs; of the people
who were there before, only those of scale_people.TOUCHED, each by one of the OF writers. Prints how often.
"""

import json
import os
import random
import select
import sys
from collections import Counter
from uuid import UUID

import django

NAMES = ["Abel", "Kim", "Ōta", "Zz"]


def main(turn: int, of: int) -> None:
    django.setup()
    from django.db import connection

    from bench.scale_people import TOUCHED
    from populace.audit.actors import SYSTEM
    from populace.users import actions

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM users_user WHERE {TOUCHED} ORDER BY id")
        people: list[UUID] = [id for (id,) in cursor.fetchall()][turn::of]
    dice, done = random.Random(turn), Counter[str]()
    dice.shuffle(people)
    print("ready", flush=True)
    while people and not select.select([sys.stdin], [], [], 0)[0]:
        names = {"first_name": dice.choice(NAMES), "last_name": f"{dice.choice(NAMES)} {dice.randrange(999)}"}
        done["created"] += 1
        name = f"{dice.choice('abkmz')}.new{os.getpid()}.{done['created']}"
        made = actions.create_user(by=SYSTEM, values={"username": name, "email": f"{name}@example.com", **names})
        if dice.random() < 0.5:
            people.append(UUID(json.loads(made)["id"]))
        for _ in range(2):
            actions.update_user(dice.choice(people), by=SYSTEM, values=names)
            done["updated"] += 1
        state = dice.choice(["deactivate", "activate"])
        getattr(actions, f"{state}_user")(dice.choice(people), by=SYSTEM)
        done[f"{state}d"] += 1
        actions.erase_user(people.pop(), by=SYSTEM)
        done["erased"] += 1
    print(json.dumps(done))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
