"""The linters of the document, with their recommended rules."""

from typing import Final

from openapi.clients import npm
from openapi.clients.row import DOCUMENT, Row
from openapi.clients.workshop import Workshop

_LINT: Final = DOCUMENT.parent / "lint"


def _spectral(shop: Workshop) -> None:
    options = ("--ruleset", "spectral.yaml", "--fail-severity", "warn")
    shop.run(f"{npm.BIN}/spectral", "lint", *options, DOCUMENT)


def _redocly(shop: Workshop) -> None:
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    shop.run(f"{npm.BIN}/redocly", "lint", "--config", "redocly.yaml", DOCUMENT, **quiet)


SPECTRAL: Final = Row(
    name="spectral",
    needs=npm.NODE,
    steps={"install": lambda shop: npm.install(shop, _LINT / "spectral"), "lint": _spectral},
)
REDOCLY: Final = Row(
    name="redocly",
    needs=npm.NODE,
    steps={"install": lambda shop: npm.install(shop, _LINT / "redocly"), "lint": _redocly},
)
