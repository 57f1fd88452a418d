"""The committed document, to be changed as somebody might: found by operation ids and members,
through whatever references there are, so that a renamed component changes nothing here."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from openapi.compatibility import breaking_changes
from openapi.document import Document
from openapi.findings import Breakage

COMMITTED = Path(__file__).parents[2] / "openapi/harbor-v1.json"

Change = Callable[["Draft"], object]


class Draft:
    """A copy of a document, and the places in it."""

    def __init__(self, whole: dict[str, Any]) -> None:
        self.whole: dict[str, Any] = json.loads(json.dumps(whole))

    @property
    def document(self) -> Document:
        # As it is read: of JSON, where nothing is the same object twice.
        return Document(json.loads(json.dumps(self.whole)), "the draft")

    def resolve(self, node: Any) -> Any:
        while "$ref" in node:
            place: Any = self.whole
            for part in node["$ref"].removeprefix("#/").split("/"):
                place = place[part]
            node = place
        return node

    def address(self, operation_id: str) -> tuple[str, str]:
        """Path and method."""
        return next(
            (path, method)
            for path, item in self.whole["paths"].items()
            for method, operation in item.items()
            if isinstance(operation, dict) and operation.get("operationId") == operation_id
        )

    def operation(self, operation_id: str) -> dict[str, Any]:
        path, method = self.address(operation_id)
        found: dict[str, Any] = self.whole["paths"][path][method]
        return found

    def operations(self) -> Iterator[dict[str, Any]]:
        for item in self.whole["paths"].values():
            yield from (each for each in item.values() if isinstance(each, dict))

    def parameter(self, operation_id: str, name: str) -> dict[str, Any]:
        given = self.operation(operation_id)["parameters"]
        found: dict[str, Any] = next(
            each for each in map(self.resolve, given) if each["name"] == name
        )
        return found

    def body(self, operation_id: str) -> dict[str, Any]:
        """The schema of what is sent."""
        body = self.resolve(self.operation(operation_id)["requestBody"])
        return self.form(body["content"]["application/json"]["schema"])

    def sent(self, webhook: str) -> dict[str, Any]:
        """The schema of what is sent."""
        body = self.resolve(self.whole["webhooks"][webhook]["post"]["requestBody"])
        return self.form(body["content"]["application/json"]["schema"])

    def told(self, webhook: str) -> dict[str, Any]:
        """What a receiver answers that has it."""
        post = self.whole["webhooks"][webhook]["post"]
        found: dict[str, Any] = self.resolve(post["responses"]["2XX"])
        return found

    def response(self, operation_id: str, status: str = "200") -> dict[str, Any]:
        found: dict[str, Any] = self.resolve(self.operation(operation_id)["responses"][status])
        return found

    def answer(self, operation_id: str, status: str = "200") -> dict[str, Any]:
        """The schema of what is answered."""
        (media,) = self.response(operation_id, status)["content"].values()
        return self.form(media["schema"])

    def form(self, schema: Any) -> dict[str, Any]:
        """A schema without references, and without null where it is one thing or null."""
        found: dict[str, Any] = self.resolve(schema)
        forms = [each for each in found.get("anyOf", ()) if each.get("type") != "null"]
        return self.form(forms[0]) if len(forms) == 1 else found

    def member(self, schema: dict[str, Any], name: str) -> dict[str, Any]:
        return self.form(schema["properties"][name])

    def add_null(self, schema: dict[str, Any], name: str) -> None:
        """Of one member alone, whatever else refers to the same schema."""
        old = schema["properties"][name]
        schema["properties"][name] = {"anyOf": [old, {"type": "null"}]}

    def drop_null(self, schema: dict[str, Any], name: str) -> None:
        """However it is written that it can be null."""
        form = dict(self.form(schema["properties"][name]))
        if isinstance(form.get("type"), list):
            (form["type"],) = (each for each in form["type"] if each != "null")
        schema["properties"][name] = form


@cache
def committed() -> dict[str, Any]:
    """Not to be changed."""
    found: dict[str, Any] = json.loads(COMMITTED.read_bytes())
    return found


@cache
def committed_document() -> Document:
    return Document(committed(), "the committed document")


def broken_by(change: Change, prepare: Change = lambda _: None) -> Sequence[Breakage]:
    """What a change of the committed document breaks; what is prepared was released already."""
    released = Draft(committed())
    prepare(released)
    current = Draft(released.whole)
    change(current)
    assert current.whole != released.whole
    return breaking_changes(released.document, current.document)
