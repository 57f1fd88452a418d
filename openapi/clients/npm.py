"""What is installed with npm."""

from pathlib import Path
from typing import Final

from openapi.clients.tools import Tool
from openapi.clients.workshop import Workshop

NODE: Final = (Tool(name="node", oldest=(20,)), Tool(name="npm"))
BIN: Final = "node_modules/.bin"


def install(shop: Workshop, sources: Path) -> None:
    """The sources, and exactly what their lock names, without running any of its scripts."""
    shop.lay_out(sources, keep=("node_modules",))
    shop.installed(
        ("package.json", "package-lock.json"),
        lambda: shop.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
    )
