"""`populace`, with exports in steps of two people and a pause behind each, so that a test can come in between.

    python -m tests.support.small_steps export FILE

`lapse` in place of a command ends every lease, as if a minute had passed.
"""

import sys
import time
from typing import Any

from populace.cli.directory import set_up

PAUSE_S = 0.03


def main() -> None:
    """Do what `populace` does."""
    set_up()
    from populace.bulk import exports, walks

    if sys.argv[1] == "lapse":
        return lapse()
    walks.STEP, exports.PART = 2, 1
    write = exports._write

    def slowly(*arguments: Any) -> Any:
        time.sleep(PAUSE_S)
        return write(*arguments)

    exports._write = slowly
    from populace.cli import main

    return main()


def lapse() -> None:
    """Have every open task be due."""
    from django.utils.timezone import now

    from populace.infra.tasks.models import TaskRow

    TaskRow.objects.filter(state=TaskRow.OPEN).update(due_at=now())


if __name__ == "__main__":
    main()
