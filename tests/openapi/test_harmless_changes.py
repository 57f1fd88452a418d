"""What breaks no client passes without a word."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from openapi.compatibility import breaking_changes
from openapi.shapes import OPEN, STANDS_FOR
from tests.openapi.drafts import Change, Draft, broken_by, committed


def _new_operation(draft: Draft) -> None:
    responses = {"200": {"description": "Done.", "content": {"application/json": {"schema": {}}}}}
    draft.whole["paths"]["/v1/parcels"] = {
        "post": {"operationId": "send_parcel", "requestBody": _NEW_BODY, "responses": responses}
    }


_NEW_BODY = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}


def _say_everything_in_other_words(draft: Draft) -> None:
    for node in _objects(draft.whole):
        for name in ("description", "summary"):
            if isinstance(node.get(name), str):
                node[name] = "In other words."
        if isinstance(node.get("examples"), list):
            node["examples"] = []
        node.pop("example", None)
    for operation in draft.operations():
        operation["tags"] = [*operation["tags"], "Other"]


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            yield from _objects(child)


def _new_webhook(draft: Draft) -> None:
    sent = {"requestBody": _NEW_BODY, "responses": {"2XX": {"description": "Thank you."}}}
    draft.whole.setdefault("webhooks", {})["parcel.sent"] = {"post": sent}


def _new_type_of_event(draft: Draft) -> None:
    """All that the document says of it."""
    _new_webhook(draft)
    schemas = draft.whole["components"]["schemas"]
    schemas["EventType"]["enum"].append("parcel.sent")
    most = len(schemas["EventType"]["enum"])
    for name in ("WebhookEndpointRequest", "WebhookEndpointPatch"):
        schemas[name]["properties"]["event_types"]["maxItems"] = most
    draft.parameter("list_events", "type")["schema"]["maxItems"] = most


def _parameters_as_components(draft: Draft) -> None:
    """Also at their path instead of in each operation."""
    path, method = draft.address("get_refund")
    operation = draft.whole["paths"][path][method]
    components = draft.whole["components"].setdefault("parameters", {})
    references = []
    for given in operation.pop("parameters"):
        name = f"Of{len(components)}"
        components[name] = draft.resolve(given)
        references.append({"$ref": f"#/components/parameters/{name}"})
    draft.whole["paths"][path]["parameters"] = references


def _answers_as_components(draft: Draft) -> None:
    """Those that are none."""
    components = draft.whole["components"].setdefault("responses", {})
    for operation in draft.operations():
        for status, response in operation["responses"].items():
            if "$ref" not in response:
                name = f"{operation['operationId']}_{status}"
                components[name] = response
                operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def _headers_in_lower_case(draft: Draft) -> None:
    response = draft.response("get_order")
    response["headers"] = {name.lower(): each for name, each in response["headers"].items()}


def _components_at_length(draft: Draft) -> None:
    """The names are still there."""
    response = draft.response("get_order")
    response["headers"] = {name: draft.resolve(each) for name, each in response["headers"].items()}
    for operation in draft.operations():
        found = {status: draft.resolve(each) for status, each in operation["responses"].items()}
        operation["responses"] = found


def _null_in_the_other_notation(draft: Draft) -> None:
    """`type: [string, "null"]` for `anyOf` with null, and the other way round."""
    for node in _objects(draft.whole):
        match node:
            case {"anyOf": [{"type": str(kind)} as form, {"type": "null"}]}:
                del node["anyOf"]
                node.update(form | {"type": [kind, "null"]})
            case {"type": [str(kind), "null"]}:
                del node["type"]
                node["anyOf"] = [{"type": kind}, {"type": "null"}]
            case _:
                pass


def _all_of_for_every_reference(draft: Draft) -> None:
    """As generators write it that want to say something beside a reference."""
    schemas = draft.whole["components"]["schemas"]
    for name in schemas:
        text = json.dumps(draft.whole["components"]["schemas"])
        draft.whole["components"]["schemas"] = json.loads(
            text.replace(
                f'"$ref": "#/components/schemas/{name}"',
                f'"allOf": [{{"$ref": "#/components/schemas/{name}"}}]',
            )
        )


def _constants_as_lists(draft: Draft) -> None:
    member = draft.member(draft.answer("get_health"), "status")
    member["enum"] = [member.pop("const")]


def _other_order(draft: Draft) -> None:
    """But for parameters, which are arguments by position."""
    for node in _objects(draft.whole):
        for name in ("required", "enum", "anyOf"):
            if isinstance(node.get(name), list):
                node[name].reverse()
    text = json.dumps(draft.whole)
    draft.whole = json.loads(text, object_pairs_hook=lambda pairs: dict(reversed(pairs)))


def _open_list(draft: Draft) -> None:
    draft.member(draft.answer("get_refund"), "status")[OPEN] = True


def _value_more(draft: Draft) -> None:
    """Of what is sent alone: the same list is answered."""
    properties = draft.body("place_order")["properties"]
    form = draft.form(properties["capture_method"])
    said = {name: value for name, value in properties["capture_method"].items() if name != "$ref"}
    properties["capture_method"] = {**form, **said, "enum": ["delayed", *form["enum"]]}


def _links(draft: Draft) -> None:
    link = {"operationId": "get_order", "parameters": {"order_id": "$response.body#/id"}}
    draft.response("place_order", "201")["links"] = {"Order": link}


HARMLESS: dict[str, Change] = {
    "an operation is new": _new_operation,
    "a webhook is new": _new_webhook,
    "a type of event is new": _new_type_of_event,
    "a parameter is new": lambda d: d.operation("list_orders")["parameters"].append(
        {"name": "region", "in": "query", "required": False, "schema": {"type": "string"}}
    ),
    "a member may be sent": lambda d: d.body("place_order")["properties"].update(
        channel={"type": "string", "maxLength": 10}
    ),
    "a member may be sent that stands for something when it is left out": lambda d: d.body(
        "place_order"
    )["properties"].update(channel={"type": "string", STANDS_FOR: "web"}),
    "an answer says more": lambda d: (
        d.answer("get_order")["properties"].update(channel={"type": "string"}),
        d.answer("get_order")["required"].append("channel"),
    ),
    "an error is new": lambda d: d.operation("get_order")["responses"].update(
        {"410": d.response("get_order", "404")}
    ),
    "a header of an answer is new": lambda d: d.response("get_order")["headers"].update(
        {"Age": {"schema": {"type": "integer"}}}
    ),
    "more may be sent": lambda d: d.member(d.body("place_order"), "amount_cents").update(
        maximum=20_000_000, minimum=0
    ),
    "a longer text may be sent": lambda d: d.member(d.body("place_order"), "description").update(
        maxLength=2_000
    ),
    "any text may be sent": lambda d: d.member(d.body("place_order"), "currency").pop("pattern"),
    "a value more may be sent": _value_more,
    "null may be sent": lambda d: d.add_null(d.body("place_order"), "currency"),
    "a member that is sent may be left out": lambda d: d.body("place_order")["required"].remove(
        "currency"
    ),
    "a body may be left out": lambda d: d.operation("place_order")["requestBody"].pop("required"),
    "a header may be left out": lambda d: d.parameter("place_order", "Idempotency-Key").update(
        required=False
    ),
    "an answer has fewer values": lambda d: d.member(d.answer("get_refund"), "status")[
        "enum"
    ].pop(),
    "no scope is wanted": lambda d: d.operation("get_order")["security"][0]["ApiKey"].clear(),
    "no key is wanted": lambda d: d.operation("get_order").pop("security"),
    "another way to authenticate is there too": lambda d: d.operation("get_order")[
        "security"
    ].append({"OAuth": ["orders"]}),
    "everything is said in other words": _say_everything_in_other_words,
    "an operation is deprecated": lambda d: d.operation("get_order").update(deprecated=True),
    "there are links": _links,
    "a server is new": lambda d: d.whole["servers"].append({"url": "https://eu.example"}),
    "parameters become components": _parameters_as_components,
    "answers become components": _answers_as_components,
    "headers are written in lower case": _headers_in_lower_case,
    "components are written out": _components_at_length,
    "null is written in the other notation": _null_in_the_other_notation,
    "references are written with allOf": _all_of_for_every_reference,
    "a constant is written as a list": _constants_as_lists,
    "everything but parameters is in another order": _other_order,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_nothing_breaks_when(name: str) -> None:
    assert broken_by(HARMLESS[name]) == []


def test_nothing_breaks_when_a_value_is_added_to_a_list_that_is_open() -> None:
    def change(draft: Draft) -> None:
        draft.member(draft.answer("get_refund"), "status")["enum"].append("stuck")

    assert broken_by(change, prepare=_open_list) == []


def test_nothing_breaks_when_it_is_said_what_a_member_stands_for() -> None:
    def unsay(draft: Draft) -> None:
        draft.body("place_order")["properties"]["description"].pop(STANDS_FOR, None)

    def say(draft: Draft) -> None:
        draft.body("place_order")["properties"]["description"][STANDS_FOR] = None

    assert broken_by(say, prepare=unsay) == []


def test_a_document_breaks_nothing_of_itself() -> None:
    one, same = Draft(committed()), Draft(committed())
    assert breaking_changes(one.document, same.document) == []
