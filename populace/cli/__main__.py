"""How the supervisor starts a command: `python -m populace.cli SUPERVISOR_ID COMMAND…`."""

import sys

from populace.cli import main
from populace.cli.processes import die_with_parent

if __name__ == "__main__":
    die_with_parent(int(sys.argv.pop(1)))
    main()
