"""Which components are the same in two documents, with all that they refer to: of them nothing has
to be compared. Most are, and most answers refer to few."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from openapi.document import Document

_SCHEMAS: Final = "#/components/schemas/"


@lru_cache(maxsize=1)
def unchanged(released: Document, current: Document) -> frozenset[str]:
    """Their references."""
    before, now = (each.components("schemas") for each in (released, current))
    same = {
        _SCHEMAS + name: set(_references(schema))
        for name, schema in before.items()
        if name in now and now[name] == schema
    }
    while changed := [name for name, leads_to in same.items() if not leads_to <= same.keys()]:
        for name in changed:
            del same[name]
    return frozenset(same)


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)
