"""openapi-generator, as the plugin that a Maven build names."""

from typing import Final

from openapi.clients.row import CLIENTS, DOCUMENT, Row
from openapi.clients.tools import Tool
from openapi.clients.workshop import Workshop

_REPOSITORY: Final = "repository"


def _maven(shop: Workshop, phase: str) -> None:
    """In a repository of its own, where nothing is but what the pom names."""
    plainly = ("--batch-mode", "--no-transfer-progress", "--strict-checksums")
    settings = (f"-Dmaven.repo.local={_REPOSITORY}", f"-Ddocument={DOCUMENT}")
    shop.run("mvn", *plainly, *settings, "-Dstyle.color=never", phase)


JAVA: Final = Row(
    name="java",
    needs=(
        Tool(name="java", version_option="-version", oldest=(17,)),
        Tool(name="javac", version_option="-version", oldest=(17,)),
        Tool(name="mvn", oldest=(3, 8)),
    ),
    steps={
        "install": lambda shop: shop.lay_out(CLIENTS / "java", keep=(_REPOSITORY,)),
        "generate": lambda shop: _maven(shop, "generate-sources"),
        "compile": lambda shop: _maven(shop, "process-classes"),
    },
    journey=("java", "-cp", "target/classes:target/lib/*", "journey.Journey"),
)
