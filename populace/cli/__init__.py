"""The `populace` command: what an operator runs from a shell."""

import sys

from populace.cli.output import Failure, failed, note


def main() -> None:
    """Run the command line and exit: 0 done, 1 cannot run, 2 wrong usage, 3 some rows bad, 4 refused, 130 interrupted.

    An error is one line on stderr; without a command it is the help.
    """
    from typer import TyperException

    from populace.cli.app import app

    try:
        sys.exit(app(standalone_mode=False))
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # Typer keeps the class to itself
            note(error.format_message())
        else:
            failed(error.format_message())
        sys.exit(error.exit_code)
    except Failure as failure:
        failed(str(failure))
        sys.exit(failure.exit_code)
