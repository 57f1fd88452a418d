"""oapi-codegen, which go.mod names as a tool: go.sum pins it with all that it is made of."""

from typing import Final

from openapi.clients.row import CLIENTS, DOCUMENT, Row
from openapi.clients.tools import Tool
from openapi.clients.workshop import Workshop


def _install(shop: Workshop) -> None:
    shop.lay_out(CLIENTS / "go")
    (shop.home / "harbor").mkdir()
    shop.run("go", "mod", "download")


def _generate(shop: Workshop) -> None:
    shop.run("go", "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", DOCUMENT)


def _compile(shop: Workshop) -> None:
    shop.run("go", "vet", "./...")
    shop.run("go", "build", "-o", "journey", ".")


GO: Final = Row(
    name="go",
    needs=(Tool(name="go", version_option="version", oldest=(1, 25)),),
    steps={"install": _install, "generate": _generate, "compile": _compile},
    journey=("./journey",),
)
