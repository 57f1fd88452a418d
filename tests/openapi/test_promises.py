"""The gate is never milder than what schemas mean: when it is silent, no value breaks."""

from collections.abc import Iterator
from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from openapi.compatibility import breaking_changes
from openapi.document import Document
from tests.openapi.drafts import Draft, committed, committed_document
from tests.openapi.schemas import changed, schemas
from tests.openapi.tiny import read, sent
from tests.openapi.validity import VALUES, accepts

CLOSED, OPEN = schemas(closed=True), schemas(closed=False)


@given(st.data())
@settings(max_examples=300)
def test_when_it_is_silent_whatever_was_taken_is_taken(data: st.DataObject) -> None:
    released = data.draw(CLOSED)
    current = data.draw(changed(released, CLOSED))
    assume(released != current)
    if sent(released, current) == []:
        event("silent")
        for value in VALUES:
            assert accepts(current, value) or not accepts(released, value), value


@given(st.data())
@settings(max_examples=300)
def test_when_it_is_silent_whatever_is_answered_was_expected(data: st.DataObject) -> None:
    released = data.draw(OPEN)
    current = data.draw(changed(released, OPEN))
    assume(released != current)
    if read(released, current) == []:
        event("silent")
        for value in VALUES:
            assert accepts(released, value) or not accepts(current, value), value


@given(st.one_of(CLOSED, OPEN))
def test_a_schema_breaks_nothing_of_itself(schema: dict[str, Any]) -> None:
    assert sent(schema, schema) == read(schema, schema) == []


def _objects(draft: Draft, bodies: Iterator[Any]) -> list[dict[str, Any]]:
    """Every schema with members that these bodies lead to, each once."""
    found: dict[int, dict[str, Any]] = {}
    waiting = [
        media["schema"] for body in bodies for media in draft.resolve(body)["content"].values()
    ]
    while waiting:
        schema = draft.resolve(waiting.pop())
        if id(schema) not in found:
            waiting += [*schema.get("anyOf", ()), *schema.get("properties", {}).values()]
            waiting += [schema[name] for name in ("items",) if name in schema]
            found[id(schema)] = schema
    return [schema for schema in found.values() if schema.get("properties")]


def _answers(draft: Draft) -> list[dict[str, Any]]:
    responses = (
        each for operation in draft.operations() for each in operation["responses"].values()
    )
    return _objects(draft, (each for each in responses if "content" in draft.resolve(each)))


def _requests(draft: Draft) -> list[dict[str, Any]]:
    operations = draft.operations()
    return _objects(draft, (each["requestBody"] for each in operations if "requestBody" in each))


@given(st.data())
@settings(max_examples=40)
def test_no_member_leaves_an_answer_unseen(data: st.DataObject) -> None:
    draft = Draft(committed())
    schema = data.draw(st.sampled_from(_answers(draft)))
    name = data.draw(st.sampled_from(sorted(schema["properties"])))
    del schema["properties"][name]
    schema["required"] = [each for each in schema.get("required", ()) if each != name]
    found = breaking_changes(committed_document(), Document(draft.whole, "the draft"))
    assert [each for each in found if each.id.endswith(f"{name}.removed")], (name, found)


@given(st.data())
@settings(max_examples=25)
def test_nothing_is_required_unseen(data: st.DataObject) -> None:
    draft = Draft(committed())
    schema = data.draw(st.sampled_from(_requests(draft)))
    optional = sorted(schema["properties"].keys() - set(schema.get("required", ())))
    name = data.draw(st.sampled_from(["new", *optional]))
    schema["properties"].setdefault(name, {"type": "string"})
    schema["required"] = [*schema.get("required", ()), name]
    found = breaking_changes(committed_document(), Document(draft.whole, "the draft"))
    assert [each for each in found if each.id.endswith(f".{name}.required")], (name, found)
