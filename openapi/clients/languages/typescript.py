"""openapi-typescript for the types, openapi-fetch to use them."""

from typing import Final

from openapi.clients import npm
from openapi.clients.row import CLIENTS, DOCUMENT, Row
from openapi.clients.workshop import Workshop


def _generate(shop: Workshop) -> None:
    shop.run(f"{npm.BIN}/openapi-typescript", DOCUMENT, "--output", "harbor.d.ts")


TYPESCRIPT: Final = Row(
    name="typescript",
    needs=npm.NODE,
    steps={
        "install": lambda shop: npm.install(shop, CLIENTS / "typescript"),
        "generate": _generate,
        "compile": lambda shop: shop.run(f"{npm.BIN}/tsc"),
    },
    journey=("node", "build/journey.js"),
)
