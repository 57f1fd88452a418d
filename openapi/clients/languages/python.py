"""openapi-python-client, in an environment of its own: its packages are none of ours."""

import os
import sys
from typing import Final

from openapi.clients.row import CLIENTS, DOCUMENT, Row
from openapi.clients.workshop import Workshop

_BIN: Final = "venv/bin"
_PROGRAMS: Final = ("journey.py", "place.py", "receiver.py")
_CLIENT: Final = "harbor-payments-client"
"""The project that is generated, named for the title of the document."""


def _install(shop: Workshop) -> None:
    shop.lay_out(CLIENTS / "python", keep=("venv", ".mypy_cache"))

    def install() -> None:
        shop.run(sys.executable, "-m", "venv", "--clear", "venv")
        quietly = ("--quiet", "--disable-pip-version-check")
        exactly = ("--require-hashes", "--no-deps", "--requirement", "requirements.txt")
        shop.run(f"{_BIN}/python", "-m", "pip", "install", *quietly, *exactly)

    shop.installed(("requirements.txt",), install)


def _generate(shop: Workshop, *options: str) -> None:
    # It calls ruff by name.
    path = os.pathsep.join((str(shop.home / _BIN), os.environ["PATH"]))
    shop.run(f"{_BIN}/openapi-python-client", "generate", "--path", DOCUMENT, *options, PATH=path)


def _compile(shop: Workshop, client: str, *programs: str) -> None:
    package = f"{client}/harbor_payments_client"
    shop.run(f"{_BIN}/mypy", "--strict", package, *programs, MYPYPATH=client)


def _be_open(shop: Workshop) -> None:
    """As docs/clients.md advises: once more, with enumerations that take what is new."""
    _generate(shop, "--custom-template-path", "templates", "--output-path", "open")
    _compile(shop, "open", "newer.py")
    shop.run(f"{_BIN}/python", "newer.py", PYTHONPATH="open")


PYTHON: Final = Row(
    name="python",
    needs=(),
    steps={
        "install": _install,
        "generate": _generate,
        "compile": lambda shop: _compile(shop, _CLIENT, *_PROGRAMS),
        "take what is new": _be_open,
    },
    journey=("env", f"PYTHONPATH={_CLIENT}", f"{_BIN}/python", "-W", "error", "journey.py"),
)
