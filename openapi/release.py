"""`python -m openapi.release`, which `make release-openapi` runs: the current document becomes the
released one, which later ones are compared with."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from openapi.checkout import Checkout, Refused, seal_of, version_of
from openapi.document import BadDocument, Document
from openapi.gate import Verdict, add_checkout, examine, report

_DESCRIPTION: Final = """\
Make openapi/harbor-v1.json the released document: it is copied to openapi/released, and
openapi/intended.toml is emptied. Commit what it writes. It refuses when something breaks that is
not meant, when the version is not greater than the released one, and when CHANGELOG.md has no
heading for it.
"""


def release(checkout: Checkout) -> Verdict:
    """Raises Refused, BadDocument; nothing is written then."""
    verdict = examine(checkout)
    if verdict.breakages:
        raise Refused(
            report(verdict.breakages, verdict.released)
            + "Nothing was released: see `python -m openapi.gate`."
        )
    _check_version(verdict.released, verdict.current)
    if not checkout.is_noted(verdict.current.version):
        raise Refused(
            f"CHANGELOG.md has no heading for {verdict.current.version}: put one over what is new,"
            f" such as `## {verdict.current.version} - 2026-11-21`."
        )
    content = checkout.current.read_bytes()
    checkout.released.write_bytes(content)
    checkout.seal.write_text(seal_of(content), "utf-8")
    _empty(checkout.intended)
    return verdict


def _check_version(released: Document, current: Document) -> None:
    if version_of(current) <= version_of(released):
        raise Refused(
            f"{current.version} is not greater than {released.version}, which is released: raise"
            " `version` in pyproject.toml, then `make openapi`."
        )


def _empty(intended: Path) -> None:
    """But for the comment at its head."""
    lines = intended.read_text("utf-8").splitlines(keepends=True) if intended.exists() else []
    head = []
    for line in lines:
        if not line.startswith("#"):
            break
        head.append(line)
    intended.write_text("".join(head), "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    given = _parser().parse_args(arguments)
    try:
        verdict = release(Checkout(given.checkout))
    except Refused as error:
        sys.stdout.write(f"{error}\n")
        return 1
    except BadDocument as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"Released {verdict.current.version}. Commit openapi/.\n")
    for meant, reason in verdict.intended.items():
        sys.stdout.write(f"Broken, as it was meant: {meant.sentence} {reason}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m openapi.release",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_checkout(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
