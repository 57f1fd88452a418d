"""`.venv/bin/python -m benchmarks`, which is what `make bench` runs."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final, NoReturn

from benchmarks.build import NotBuilt
from benchmarks.progress import say
from benchmarks.runner import NAMES, Wish, run_benchmark
from benchmarks.table import table
from tests.support.server import CHECKOUT, ServerUnavailableError

RESULTS: Final = CHECKOUT / "benchmarks/results.json"
_DESCRIPTION: Final = """\
Measure Harbor beside others that do the same work on the same PostgreSQL, and print ratios.
A full run takes up to 20 minutes, --quick up to 3. Nothing else should run on the machine.
"""
_EPILOGUE: Final = """\
A goal that is missed is a result: the exit status is 0. It is 1 when a measurement was invalid (an
unexpected answer, a broken connection, a peer that does not do the work), 2 when nothing could be
measured. How to read the results: docs/performance.md.
"""


def main() -> int:
    """The command line."""
    arguments = _parser().parse_args()
    # So that a plain kill ends the servers as Ctrl-C does.
    signal.signal(signal.SIGTERM, _stop)
    wish = Wish(quick=arguments.quick, only=frozenset(arguments.only))
    with tempfile.TemporaryDirectory(prefix="harbor-bench-") as directory:
        try:
            results = run_benchmark(wish, arguments.logs or Path(directory))
        except (NotBuilt, ServerUnavailableError) as error:
            sys.stderr.write(f"bench: {error}\n")
            return 2
        except KeyboardInterrupt:
            sys.stderr.write("bench: stopped; nothing was written\n")
            return 130
    sys.stdout.write(f"\n{table(results)}\n\n")
    output = arguments.output or (None if arguments.only else RESULTS)
    if output is not None:
        results.write(output)
        say(f"written to {output}")
    return 1 if results.invalid else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=_DESCRIPTION,
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="short, and without the measures on a million orders"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=(),
        choices=NAMES,
        metavar="NAME",
        help=f"measure only these: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write the results (default: benchmarks/results.json, but not of --only)",
    )
    parser.add_argument(
        "--logs", type=Path, metavar="DIRECTORY", help="keep what the servers write, there"
    )
    return parser


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
