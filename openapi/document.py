"""An OpenAPI document: how it is read, and what its references lead to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

Node: TypeAlias = Mapping[str, Any]
"""An object of the document."""


class BadDocument(Exception):
    """The document cannot be read. The message says which one, and why."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference led to. `name` is the first reference's last part, None when there was no
    reference: OrderOut for #/components/schemas/OrderOut."""

    node: Node
    name: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """`called` is how messages name it."""

    whole: Node
    called: str

    @property
    def version(self) -> str:
        """The version of the API that it describes, such as 0.1.0."""
        version: str = self.whole["info"]["version"]
        return version

    def find(self, node: object) -> Found:
        """The object itself, whatever number of references lead to it. Raises BadDocument."""
        name, passed = None, set()
        while isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
            reference: str = node["$ref"]
            if reference in passed:
                raise BadDocument(f"{self.called}: {reference} refers to itself.")
            passed.add(reference)
            name = name or name_of(reference)
            node = self._at(reference)
        if not isinstance(node, Mapping):
            raise BadDocument(f"{self.called}: there is {json.dumps(node)[:80]} for an object.")
        return Found(node, name)

    def target(self, reference: str) -> Any:
        """What stands at `#/components/schemas/OrderOut`. Raises BadDocument."""
        return self._at(reference)

    def components(self, section: str) -> Node:
        """By name; `section` is schemas, responses, …"""
        found: Node = self.whole.get("components", {}).get(section, {})
        return found

    def _at(self, reference: str) -> Any:
        start, *parts = reference.split("/")
        place: Any = self.whole
        for part in map(_unescape, parts):
            if isinstance(place, list) and part.isdigit() and int(part) < len(place):
                place = place[int(part)]
            elif isinstance(place, Mapping) and part in place:
                place = place[part]
            else:
                start = "nowhere"
                break
        if start != "#":
            raise BadDocument(f"{self.called}: {reference} leads to nothing in this document.")
        return place


def read_document(path: Path, called: str | None = None) -> Document:
    """Raises BadDocument; `called` is how its messages name the file."""
    called = called or str(path)
    try:
        whole = json.loads(path.read_bytes())
    except OSError as error:
        raise BadDocument(f"{called}: {error.strerror}.") from error
    except ValueError as error:
        raise BadDocument(f"{called}: this is no JSON: {error}.") from error
    if not isinstance(whole, dict) or not str(whole.get("openapi", "")).startswith("3."):
        raise BadDocument(f"{called}: this is no OpenAPI 3 document.")
    info = whole.get("info")
    if not isinstance(info, dict) or not isinstance(info.get("version"), str):
        raise BadDocument(f"{called}: info.version is missing.")
    return Document(whole, called)


def name_of(reference: str) -> str:
    """OrderOut for #/components/schemas/OrderOut."""
    return _unescape(reference.rpartition("/")[2])


def _unescape(part: str) -> str:
    """Of a JSON Pointer in a URI fragment (RFC 6901, 6)."""
    return unquote(part).replace("~1", "/").replace("~0", "~")
