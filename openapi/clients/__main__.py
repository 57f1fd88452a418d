"""`.venv/bin/python -m openapi.clients`, which is what `make clients` runs."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from openapi.clients.matrix import exit_status, matrix
from openapi.clients.runner import ROWS, run_rows
from tests.journeys.server import ServerDidNotStart

HOME: Final = Path(sys.prefix, "clients")
_DESCRIPTION: Final = """\
Generate clients from openapi/harbor-v1.json, compile them strictly, let each do the same journey
against a live server, and lint the document. The first run downloads generators and libraries and
takes some minutes, later ones about one. What is made is in .venv/clients, the logs too.
"""
_EPILOGUE: Final = """\
What needs a tool that is not on this machine is skipped and said to be. The exit status is 1 when
anything failed, 2 when the server did not start.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    wish = _parser().parse_args(arguments)
    # So that a plain kill ends what runs as Ctrl-C does.
    signal.signal(signal.SIGTERM, _stop)
    try:
        results = run_rows([ROWS[name] for name in wish.only or ROWS], HOME, wish.keep)
    except ServerDidNotStart as error:
        sys.stderr.write(f"clients: the server did not start: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("clients: stopped\n")
        return 130
    sys.stdout.write(f"\n{matrix(results)}\n")
    return exit_status(results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m openapi.clients",
        description=_DESCRIPTION,
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(ROWS)
    parser.add_argument(
        "--only",
        type=_names,
        default=(),
        metavar="NAME,…",
        help=f"only these, with commas between: {names}",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIRECTORY",
        help="copy the generated clients and their journeys there",
    )
    return parser


def _names(text: str) -> tuple[str, ...]:
    """In the order in which they run. Raises ArgumentTypeError."""
    wished = set(text.split(","))
    if unknown := sorted(wished - set(ROWS)):
        raise argparse.ArgumentTypeError(
            f"there is no {', '.join(map(repr, unknown))}: choose from {', '.join(ROWS)}"
        )
    return tuple(name for name in ROWS if name in wished)


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
