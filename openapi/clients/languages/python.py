"""openapi-python-client, in an environment of its own: its packages are none of ours."""

import os
import sys
from typing import Final

from openapi.clients.row import CLIENTS, DOCUMENT, Row
from openapi.clients.workshop import Workshop

_BIN: Final = "venv/bin"
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


def _generate(shop: Workshop) -> None:
    # It calls ruff by name.
    path = os.pathsep.join((str(shop.home / _BIN), os.environ["PATH"]))
    shop.run(f"{_BIN}/openapi-python-client", "generate", "--path", DOCUMENT, PATH=path)


def _compile(shop: Workshop) -> None:
    package = f"{_CLIENT}/harbor_payments_client"
    shop.run(f"{_BIN}/mypy", "--strict", package, "journey.py", "receiver.py", MYPYPATH=_CLIENT)


PYTHON: Final = Row(
    name="python",
    needs=(),
    steps={"install": _install, "generate": _generate, "compile": _compile},
    journey=("env", f"PYTHONPATH={_CLIENT}", f"{_BIN}/python", "-W", "error", "journey.py"),
)
