"""`python -m openapi.gate`, which `make check` runs: no change of the document may break a client
of the last release, unless it is meant."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from openapi.checkout import HERE, Checkout, Refused, version_of
from openapi.compatibility import breaking_changes
from openapi.document import BadDocument, Document, read_document
from openapi.findings import Breakage
from openapi.intended import Intended, entry_of, read_intended, without_intended

_DESCRIPTION: Final = """\
Compare openapi/harbor-v1.json with the last released one, openapi/released/harbor-v1.json, and say
what would break for whom. What is meant stands in openapi/intended.toml, with its reason.
"""
_EPILOGUE: Final = """\
The exit status is 0 when nothing breaks, 1 when something does, 2 when the documents cannot be
compared. What counts as breaking: docs/versioning.md.
"""
_WAYS_ON: Final = """\
Either change it so that released clients go on working (docs/versioning.md says how), or, when it
is meant, say so in openapi/intended.toml with a reason that a partner would understand:

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`breakages` are those that are not meant."""

    released: Document
    current: Document
    breakages: Sequence[Breakage]
    intended: Intended


def examine(checkout: Checkout) -> Verdict:
    """What breaks that is not meant. Raises Refused when a file is not as it has to be, and
    BadDocument."""
    current, released = checkout.read_current(), checkout.read_released()
    _check_versions(released, current)
    intended = read_intended(checkout.intended)
    left = without_intended(breaking_changes(released, current), intended)
    return Verdict(released=released, current=current, breakages=left, intended=intended)


def _check_versions(released: Document, current: Document) -> None:
    if version_of(released) > version_of(current):
        raise Refused(
            f"{released.called} is {released.version}, and newer than {current.called},"
            f" {current.version}: raise `version` in pyproject.toml, then `make openapi`."
        )
    if released.version == current.version and released.whole != current.whole:
        raise Refused(
            f"{current.called} says that it is {current.version}, as released, and is another"
            " document: raise `version` in pyproject.toml, then `make openapi`."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    given = _parser().parse_args(arguments)
    try:
        if given.released is None and given.current is None:
            return _judge(Checkout(given.checkout))
        return _compare(given.released, given.current, given.checkout)
    except Refused as error:
        sys.stdout.write(f"{error}\n")
        return 1
    except BadDocument as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _judge(checkout: Checkout) -> int:
    verdict = examine(checkout)
    if not verdict.breakages:
        meant = f" but {len(verdict.intended)} that are meant" if verdict.intended else ""
        since = f"{verdict.released.version}{meant}"
        sys.stdout.write(f"No breaking changes since {since}.\n")
        return 0
    sys.stdout.write(report(verdict.breakages, verdict.released))
    sys.stdout.write(_WAYS_ON + "\n".join(map(entry_of, verdict.breakages)))
    return 1


def _compare(released: Path | None, current: Path | None, root: Path) -> int:
    """Any two documents, without what belongs to a release."""
    checkout = Checkout(root)
    before = read_document(released or checkout.released)
    breakages = breaking_changes(
        before, checkout.read_current() if current is None else read_document(current)
    )
    sys.stdout.write(report(breakages, before) if breakages else "No breaking changes.\n")
    return 1 if breakages else 0


def report(breakages: Sequence[Breakage], released: Document) -> str:
    """For people: each with its id."""
    told = "".join(f"{each.id}\n    {each.sentence}\n\n" for each in breakages)
    many = "1 change breaks" if len(breakages) == 1 else f"{len(breakages)} changes break"
    return f"{many} clients of {released.version}:\n\n{told}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m openapi.gate",
        description=_DESCRIPTION,
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--released", type=Path, metavar="FILE", help="compare only, with this released document"
    )
    parser.add_argument(
        "--current", type=Path, metavar="FILE", help="compare only, this document of now"
    )
    add_checkout(parser)
    return parser


def add_checkout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkout", type=Path, metavar="DIRECTORY", default=HERE, help="default: this one"
    )


if __name__ == "__main__":
    sys.exit(main())
