"""The operations of a document, found by where they are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from openapi.document import Document, Node

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PARAMETER: Final = re.compile(r"{([^{}]*)}")
_NO_PARAMETERS: Final = frozenset({"accept", "content-type", "authorization"})
"""Headers that are described elsewhere (OpenAPI 3.1, 4.8.12.2)."""

ParameterKey: TypeAlias = tuple[str, str]
"""Where a parameter is, and what it is called there: a header in lower case, a path's parameter by
its position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`label` names it in sentences: the operation id, or method and path where there is none."""

    document: Document
    method: str
    path: str
    node: Node
    item: Node
    is_webhook: bool = False

    @property
    def id(self) -> str | None:
        found: str | None = self.node.get("operationId")
        return found

    @property
    def tag(self) -> str | None:
        """The first, by which clients are divided."""
        return next(iter(self.node.get("tags", ())), None)

    @property
    def label(self) -> str:
        if self.is_webhook:
            return f"webhook {self.path}"
        return self.id or f"{self.method.upper()} {self.path}"

    @property
    def place(self) -> tuple[str, str]:
        """Method and path. What a path calls its parameters makes no other path of it."""
        return self.method, self.path if self.is_webhook else _PARAMETER.sub("{}", self.path)

    @property
    def path_parameters(self) -> Sequence[str]:
        """Their names, in order."""
        return _PARAMETER.findall(self.path)

    @property
    def servers(self) -> Sequence[Node] | None:
        """Its own, None where it has those of the document."""
        found: Sequence[Node] | None = self.node.get("servers") or self.item.get("servers")
        return found

    def parameters(self) -> Mapping[ParameterKey, tuple[Node, str | None]]:
        """Each with the name of its component, if it is one."""
        found = {}
        for given in (*self.item.get("parameters", ()), *self.node.get("parameters", ())):
            parameter = self.document.find(given)
            kind, name = parameter.node["in"], parameter.node["name"]
            key = name.lower() if kind == "header" else name
            if kind == "path" and name in self.path_parameters:
                key = str(self.path_parameters.index(name))
            if kind != "header" or key not in _NO_PARAMETERS:
                found[kind, key] = (parameter.node, parameter.name)
        return found

    def security(self) -> Sequence[Mapping[str, Sequence[str]]]:
        """The alternatives: each the schemes that are wanted together, with their scopes. One that
        wants nothing where nothing is wanted."""
        found: Any = self.node.get("security", self.document.whole.get("security"))
        return found or [{}]


def operations(document: Document) -> Iterator[Operation]:
    for path, item in document.whole.get("paths", {}).items():
        yield from _of_item(document, path, item, is_webhook=False)


def webhooks(document: Document) -> Iterator[Operation]:
    for name, item in document.whole.get("webhooks", {}).items():
        yield from _of_item(document, name, item, is_webhook=True)


def _of_item(
    document: Document, path: str, item: object, *, is_webhook: bool
) -> Iterator[Operation]:
    found = document.find(item).node
    for method in found:
        if method in _METHODS:
            yield Operation(
                document=document,
                method=method,
                path=path,
                node=document.find(found[method]).node,
                item=found,
                is_webhook=is_webhook,
            )
