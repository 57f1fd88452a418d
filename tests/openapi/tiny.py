"""Documents of one operation, for one thing at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

from openapi.compatibility import breaking_changes
from openapi.document import Document

Schema = Mapping[str, Any] | bool


def document(
    operation: Mapping[str, Any],
    *,
    path: str = "/things",
    schemas: Mapping[str, Any] | None = None,
    item: Mapping[str, Any] | None = None,
    **parts: Any,
) -> Document:
    """Of `POST /things`, called `make`."""
    made = {"operationId": "make", **operation}
    components = {"schemas": dict(schemas or {})} | parts.pop("components", {})
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Tiny", "version": "1.0.0"},
        "paths": {path: {"post": made, **(item or {})}},
        "components": components,
        **parts,
    }
    return Document(whole, "tiny")


def sending(schema: Schema, **parts: Any) -> Document:
    """What is sent is of this schema."""
    content = {"application/json": {"schema": schema}}
    return document({"requestBody": {"content": content}, "responses": {}}, **parts)


def reading(schema: Schema, **parts: Any) -> Document:
    """What is answered is of this schema."""
    answer = {"description": "Done.", "content": {"application/json": {"schema": schema}}}
    return document({"responses": {"200": answer}}, **parts)


def hook(schema: Schema, responses: Mapping[str, Any] | None = None, **parts: Any) -> Document:
    """A webhook `thing.made` is of this schema."""
    body = {"required": True, "content": {"application/json": {"schema": schema}}, **parts}
    told = {"requestBody": body, "responses": dict(responses or {"2XX": {}})}
    return document({"responses": {}}, webhooks={"thing.made": {"post": told}})


def ids(released: Document, current: Document) -> Sequence[str]:
    return [each.id for each in breaking_changes(released, current)]


def sentences(released: Document, current: Document) -> Sequence[str]:
    return [each.sentence for each in breaking_changes(released, current)]


def sent(released: Schema, current: Schema) -> Sequence[str]:
    """What breaks when what is sent changes, without the operation's name."""
    return [each.removeprefix("make.request.") for each in ids(sending(released), sending(current))]


def read(released: Schema, current: Schema) -> Sequence[str]:
    """What breaks when what is answered changes."""
    return [each.removeprefix("make.200.") for each in ids(reading(released), reading(current))]
