"""What a row of the matrix is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from openapi.clients.tools import Tool
from openapi.clients.workshop import Workshop

CLIENTS: Final = Path(__file__).parent
DOCUMENT: Final = CLIENTS.parent / "harbor-v1.json"

Do: TypeAlias = Callable[[Workshop], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A name, the tools without which it is skipped, and its steps by name, in order. A language
    has a `journey` as well: the command that carries it out, in the workshop's folder."""

    name: str
    needs: tuple[Tool, ...]
    steps: Mapping[str, Do]
    journey: tuple[str, ...] = ()
