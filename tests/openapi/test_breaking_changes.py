"""Whatever would break a client of the committed document is caught, and told in a sentence."""

import json
import re
from dataclasses import dataclass

import pytest

from openapi.shapes import OPEN, STANDS_FOR
from tests.openapi.drafts import Change, Draft, broken_by


def _closed(draft: Draft) -> None:
    """That no list of values may be added to, whatever is committed."""
    text = json.dumps(draft.whole).replace(f'"{OPEN}": true', f'"{OPEN}": false')
    draft.whole = json.loads(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """A change, the id of what it breaks as a regular expression, and a part of what is said."""

    change: Change
    id: str
    says: str
    prepare: Change = lambda _: None
    others: bool = False
    """Whether it breaks more than this."""


def _without(schema: dict[str, object], name: str) -> None:
    properties, required = schema["properties"], schema.get("required", [])
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    del properties[name]
    if name in required:
        required.remove(name)


def _rename_schema_of_an_order(draft: Draft) -> None:
    (media,) = draft.response("get_order")["content"].values()
    reference = media["schema"]["$ref"]
    name = reference.rpartition("/")[2]
    schemas = draft.whole["components"]["schemas"]
    schemas["Renamed"] = schemas.pop(name)
    text = json.dumps(draft.whole).replace(f'"{reference}"', '"#/components/schemas/Renamed"')
    draft.whole = json.loads(text)


def _move(draft: Draft, operation_id: str, path: str) -> None:
    old, method = draft.address(operation_id)
    draft.whole["paths"].setdefault(path, {})[method] = draft.whole["paths"][old].pop(method)


def _rename_path_parameter(draft: Draft) -> None:
    path, _ = draft.address("get_refund")
    item = draft.whole["paths"].pop(path)
    draft.whole["paths"][path.replace("{refund_id}", "{id}")] = item
    next(each for each in item["get"]["parameters"] if each["in"] == "path")["name"] = "id"


def _name_answer(draft: Draft, name: str) -> None:
    """Of an order that is not there."""
    responses = draft.operation("get_order")["responses"]
    draft.whole["components"].setdefault("responses", {})[name] = draft.resolve(responses["404"])
    responses["404"] = {"$ref": f"#/components/responses/{name}"}


def _name_header(draft: Draft) -> None:
    headers = draft.response("get_order")["headers"]
    draft.whole["components"].setdefault("headers", {})["Version"] = draft.resolve(headers["ETag"])
    headers["ETag"] = {"$ref": "#/components/headers/Version"}


BREAKING = {
    "a member of an answer is removed": Seeded(
        change=lambda d: _without(d.answer("get_order"), "failure"),
        id=r"\w+\.200\.(.*\.)?failure\.removed",
        says="`failure` is gone: clients that read it fail.",
    ),
    "a member of an answer is no longer always there": Seeded(
        change=lambda d: d.answer("get_refund")["required"].remove("status"),
        id=r"\w+\.20[01]\.(.*\.)?status\.required",
        says="`status` can be left out now: clients that count on it fail.",
    ),
    "a member of an answer gets another type": Seeded(
        change=lambda d: d.member(d.answer("get_refund"), "amount_cents").update(type="string"),
        id=r"\w+\.20[01]\.(.*\.)?amount_cents\.type",
        says="can be a string now (an integer before)",
    ),
    "a member of an answer can be null": Seeded(
        change=lambda d: d.add_null(d.answer("get_refund"), "amount_cents"),
        id=r"\w+\.20[01]\.(.*\.)?amount_cents\.null",
        says="can be null now: clients that were generated without null fail",
    ),
    "a member of an answer is never null": Seeded(
        change=lambda d: d.drop_null(d.answer("get_refund"), "reason"),
        id=r"\w+\.20[01]\.(.*\.)?reason\.null",
        says="is never null now: clients that are generated anew have another type for it.",
    ),
    "a member of an answer has fewer bits": Seeded(
        prepare=lambda d: d.member(d.answer("get_refund"), "amount_cents").update(format="int64"),
        change=lambda d: d.member(d.answer("get_refund"), "amount_cents").update(format="int32"),
        id=r"\w+\.20[01]\.(.*\.)?amount_cents\.format",
        says="has the format `int32` now (the format `int64` before): clients that are generated",
    ),
    "a member of an answer gets another format": Seeded(
        change=lambda d: d.member(d.answer("get_refund"), "created_at").update(format="date"),
        id=r"\w+\.20[01]\.(.*\.)?created_at\.format",
        says="no longer has the format `date-time` (`date` now)",
    ),
    "a member of an answer loses its format": Seeded(
        change=lambda d: d.member(d.answer("get_refund"), "id").pop("format"),
        id=r"\w+\.20[01]\.(.*\.)?id\.format",
        says="no longer has the format `uuid` (anything now)",
    ),
    "a member of an answer has one value more": Seeded(
        prepare=_closed,
        change=lambda d: d.member(d.answer("get_refund"), "status")["enum"].append("stuck"),
        id=r"\w+\.20[01]\.(.*\.)?status\.enum\.stuck",
        says='`status` can be "stuck" now',
    ),
    "an answer's values are declared open": Seeded(
        prepare=_closed,
        change=lambda d: d.member(d.answer("get_refund"), "status").update({OPEN: True}),
        id=r"\w+\.20[01]\.(.*\.)?status\.enum\.open",
        says="may get more values from now on",
    ),
    "a success is not answered any more": Seeded(
        change=lambda d: d.operation("get_order")["responses"].pop("304"),
        id=r"get_order\.304\.removed",
        says="get_order 304: this is not answered any more",
    ),
    "another success is answered": Seeded(
        change=lambda d: d.operation("get_order")["responses"].update(
            {"206": d.response("get_order")}
        ),
        id=r"get_order\.206\.added",
        says="get_order 206: this can be answered now",
    ),
    "a code of an answer is another": Seeded(
        change=lambda d: d.operation("place_order")["responses"].update(
            {"202": d.operation("place_order")["responses"].pop("201")}
        ),
        id=r"place_order\.201\.removed",
        says="place_order 201: this is not answered any more: clients that wait for it",
        others=True,
    ),
    "an error is not answered any more": Seeded(
        change=lambda d: d.operation("get_order")["responses"].pop("404"),
        id=r"get_order\.404\.removed",
        says="get_order 404: this is not answered any more",
    ),
    "a header of an answer is removed": Seeded(
        change=lambda d: d.response("get_order")["headers"].pop("ETag"),
        id=r"get_order\.200\.header\.ETag\.removed",
        says="get_order 200: `ETag` is gone",
    ),
    "an answer has another media type": Seeded(
        change=lambda d: d.response("get_order").update(
            content={"application/cbor": {"schema": d.answer("get_order")}}
        ),
        id=r"get_order\.200\.application/json",
        says="the answer is no `application/json` any more",
    ),
    "a member that is sent is removed": Seeded(
        change=lambda d: _without(d.body("place_order"), "description"),
        id=r"place_order\.request\.description\.removed",
        says="place_order: `description` is gone: whoever sends it is refused.",
    ),
    "a member that is sent is required": Seeded(
        change=lambda d: d.body("place_order")["required"].append("capture_method"),
        id=r"place_order\.request\.capture_method\.required",
        says="place_order: `capture_method` is required now: whoever leaves it out is refused.",
    ),
    "a new member is required": Seeded(
        change=lambda d: (
            d.body("place_order")["properties"].update(channel={"type": "string"}),
            d.body("place_order")["required"].append("channel"),
        ),
        id=r"place_order\.request\.channel\.required",
        says="`channel` is required now",
    ),
    "a member that is sent gets another type": Seeded(
        change=lambda d: d.member(d.body("place_order"), "amount_cents").update(type="string"),
        id=r"place_order\.request\.amount_cents\.type",
        says="`amount_cents` has to be a string now (an integer before)",
    ),
    "a number may be sent for an integer": Seeded(
        change=lambda d: d.member(d.body("place_order"), "amount_cents").update(type="number"),
        id=r"place_order\.request\.amount_cents\.type",
        says="is a number now (an integer before): clients that are generated anew have another",
    ),
    "a value is not taken any more": Seeded(
        change=lambda d: d.member(d.body("place_order"), "capture_method")["enum"].remove("manual"),
        id=r"place_order\.request\.capture_method\.enum\.manual",
        says='`capture_method` does not take "manual" any more',
    ),
    "a maximum is lower": Seeded(
        change=lambda d: d.member(d.body("place_order"), "amount_cents").update(maximum=500),
        id=r"place_order\.request\.amount_cents\.maximum",
        says="`amount_cents` may be at most 500 now (10000000 before): whoever sends"
        " more is refused.",
    ),
    "a minimum is higher": Seeded(
        change=lambda d: d.member(d.body("place_order"), "amount_cents").update(minimum=100),
        id=r"place_order\.request\.amount_cents\.minimum",
        says="has to be at least 100 now (1 before)",
    ),
    "a text may be less long": Seeded(
        change=lambda d: d.member(d.body("place_order"), "description").update(maxLength=10),
        id=r"place_order\.request\.description\.maxLength",
        says="may have at most 10 characters now (1000 before)",
    ),
    "a list may be less long": Seeded(
        change=lambda d: d.member(d.body("issue_api_key"), "scopes").update(maxItems=2),
        id=r"issue_api_key\.request\.scopes\.maxItems",
        says="may have at most 2 items now",
    ),
    "a text has to match": Seeded(
        change=lambda d: d.member(d.body("place_order"), "currency").update(pattern="^EUR$"),
        id=r"place_order\.request\.currency\.pattern",
        says="has to match `^EUR$` now (`^[A-Z]{3}$` before)",
    ),
    "null is not taken any more": Seeded(
        change=lambda d: d.drop_null(d.body("place_order"), "invoice_id"),
        id=r"place_order\.request\.invoice_id\.null",
        says="`invoice_id` must not be null any more: whoever sends null is refused.",
    ),
    "what is left out means something else": Seeded(
        change=lambda d: d.body("place_order")["properties"]["capture_method"].update(
            default="manual"
        ),
        prepare=lambda d: d.body("place_order")["properties"]["capture_method"].update(
            default="automatic"
        ),
        id=r"place_order\.request\.capture_method\.default",
        says='is "manual" now where it is left out ("automatic" before)',
    ),
    "what is left out means something": Seeded(
        prepare=lambda d: d.member(d.body("place_order"), "capture_method").pop("default", None),
        change=lambda d: d.body("place_order")["properties"]["capture_method"].update(
            default="manual"
        ),
        id=r"place_order\.request\.capture_method\.default",
        says='`capture_method` is "manual" now where it is left out (nothing said before)',
    ),
    "what is left out stands for something else": Seeded(
        prepare=lambda d: d.body("place_order")["properties"]["capture_method"].update(
            {STANDS_FOR: "automatic"}
        ),
        change=lambda d: d.body("place_order")["properties"]["capture_method"].update(
            {STANDS_FOR: "manual"}
        ),
        id=r"place_order\.request\.capture_method\.x-default",
        says='is "manual" now where it is left out ("automatic" before)',
    ),
    "what is left out stands for nothing any more": Seeded(
        prepare=lambda d: d.body("place_order")["properties"]["capture_method"].update(
            {STANDS_FOR: "automatic"}
        ),
        change=lambda d: d.body("place_order")["properties"]["capture_method"].pop(STANDS_FOR),
        id=r"place_order\.request\.capture_method\.x-default",
        says='is no longer "automatic" where it is left out: whoever leaves it out gets',
    ),
    "a body is required": Seeded(
        change=lambda d: d.operation("capture_order")["requestBody"].update(required=True),
        id=r"capture_order\.request\.required",
        says="capture_order: the body is required now",
    ),
    "a parameter is removed": Seeded(
        change=lambda d: d.operation("list_orders").update(
            parameters=[
                each
                for each in d.operation("list_orders")["parameters"]
                if d.resolve(each)["name"] != "invoice_id"
            ]
        ),
        id=r"list_orders\.query\.invoice_id\.removed",
        says="list_orders: `invoice_id` is gone: whoever sends it is refused.",
    ),
    "a parameter is new and required": Seeded(
        change=lambda d: d.operation("list_orders")["parameters"].append(
            {"name": "region", "in": "query", "required": True, "schema": {"type": "string"}}
        ),
        id=r"list_orders\.query\.region\.required",
        says="list_orders: `region` is required now",
    ),
    "a header is required": Seeded(
        change=lambda d: d.parameter("capture_order", "If-Match").update(required=True),
        id=r"capture_order\.header\.If-Match\.required",
        says="`If-Match` is required now: whoever leaves it out is refused.",
        others=True,
    ),
    "a parameter has another default": Seeded(
        change=lambda d: d.parameter("list_orders", "limit")["schema"].update(default=10),
        id=r"list_orders\.query\.limit\.default",
        says="is 10 now where it is left out (25 before)",
        others=True,
    ),
    "two parameters change places": Seeded(
        change=lambda d: d.operation("list_orders")["parameters"].reverse(),
        id=r"list_orders\.parameters\.order",
        says="list_orders: `created_before` comes where `limit` was: clients that are generated"
        " anew and call by position pass one for the other.",
    ),
    "a new parameter is not the last": Seeded(
        change=lambda d: d.operation("list_orders")["parameters"].insert(
            1, {"name": "region", "in": "query", "schema": {"type": "string"}}
        ),
        id=r"list_orders\.parameters\.order",
        says="list_orders: `region` comes where `cursor` was",
    ),
    "a parameter has a default": Seeded(
        change=lambda d: d.parameter("list_orders", "status")["schema"].update(default="paid"),
        id=r"list_orders\.query\.status\.default",
        says='`status` is "paid" now where it is left out (nothing said before)',
    ),
    "a parameter has no default any more": Seeded(
        change=lambda d: d.parameter("list_orders", "limit")["schema"].pop("default"),
        id=r"list_orders\.query\.limit\.default",
        says="`limit` is no longer 25 where it is left out",
    ),
    "a path is another": Seeded(
        change=lambda d: _move(d, "list_customer_orders", "/v1/orders-of/{customer_id}"),
        id=r"list_customer_orders\.moved",
        says="it moved to GET /v1/orders-of/{customer_id}",
    ),
    "an operation is removed": Seeded(
        change=lambda d: d.whole["paths"].pop(d.address("get_refund")[0]),
        id=r"get_refund\.removed",
        says="GET /v1/refunds/{refund_id} is gone",
    ),
    "an operation is called another name": Seeded(
        change=lambda d: d.operation("get_order").update(operationId="fetch_order"),
        id=r"get_order\.renamed",
        says="get_order: it is called `fetch_order` now",
    ),
    "an operation has another first tag": Seeded(
        change=lambda d: d.operation("get_order").update(tags=["Purchases", "Orders"]),
        id=r"tags\.Orders\.Purchases",
        says="get_order: the first tag is `Purchases` now (`Orders` before): clients that are"
        " generated anew have it in another class.",
    ),
    "an operation has no tag any more": Seeded(
        change=lambda d: d.operation("get_order").pop("tags"),
        id=r"tags\.Orders\.None",
        says="get_order: the first tag is none now (`Orders` before)",
    ),
    "the title is another": Seeded(
        change=lambda d: d.whole["info"].update(title="Harbor Purchases"),
        id=r"info\.title",
        says="the title is `Harbor Purchases` now (`Harbor Payments` before): clients that are"
        " generated anew have another package.",
    ),
    "a path calls its parameter another name": Seeded(
        change=_rename_path_parameter,
        id=r"get_refund\.path\.refund_id\.renamed",
        says="is called `id` now: clients that are generated anew have another argument for it",
    ),
    "a schema is called another name": Seeded(
        change=_rename_schema_of_an_order,
        id=r"schemas\.\w+\.renamed",
        says="is called `Renamed` now: clients that are generated anew have another type for it.",
    ),
    "an answer that is a component is called another name": Seeded(
        prepare=lambda d: _name_answer(d, "Missing"),
        change=lambda d: _name_answer(d, "Nowhere"),
        id=r"responses\.Missing\.renamed",
        says="get_order: `Missing` is called `Nowhere` now: clients that are generated anew",
    ),
    "a header that is a component has no name any more": Seeded(
        prepare=_name_header,
        change=lambda d: d.response("get_order")["headers"].update(
            ETag=d.whole["components"]["headers"].pop("Version")
        ),
        id=r"headers\.Version\.renamed",
        says="get_order: `Version` has no name any more",
    ),
    "an event is not sent any more": Seeded(
        change=lambda d: d.whole["webhooks"].pop("order.paid"),
        id=r"webhooks\.order\.paid\.removed",
        says="webhook order.paid: it is not sent any more: receivers wait for it in vain.",
    ),
    "a member of a webhook is removed": Seeded(
        change=lambda d: _without(d.sent("order.paid"), "sequence"),
        id=r"webhooks\.order\.\w+\.request\.sequence\.removed",
        says="`sequence` is gone: clients that read it fail.",
    ),
    "a webhook is not signed any more": Seeded(
        change=lambda d: d.whole["webhooks"]["order.paid"]["post"].update(
            parameters=[
                each
                for each in d.whole["webhooks"]["order.paid"]["post"]["parameters"]
                if d.resolve(each)["name"] != "webhook-signature"
            ]
        ),
        id=r"webhooks\.order\.paid\.header\.webhook-signature\.removed",
        says="webhook order.paid: `webhook-signature` is gone",
    ),
    "a receiver has to answer with a body": Seeded(
        change=lambda d: d.told("order.paid").update(
            content={"application/json": {"schema": {"type": "object"}}}
        ),
        id=r"webhooks\.order\.\w+\.2XX\.required",
        says=" 2XX: the answer is required now: whoever leaves it out is refused.",
    ),
    "a receiver has to answer with a header": Seeded(
        change=lambda d: d.told("order.paid").update(
            headers={"X-Seen": {"required": True, "schema": {"type": "string"}}}
        ),
        id=r"webhooks\.order\.\w+\.2XX\.header\.X-Seen\.required",
        says=" 2XX: `X-Seen` is required now",
    ),
    "another scope is wanted": Seeded(
        change=lambda d: d.operation("get_order")["security"][0]["ApiKey"].append("orders:all"),
        id=r"get_order\.security\.orders:all",
        says="the scope `orders:all` is wanted now: whoever has a key without it is refused.",
    ),
    "a key is wanted where none was": Seeded(
        change=lambda d: d.operation("get_health").update(security=[{"ApiKey": []}]),
        id=r"get_health\.security\.changed",
        says="ApiKey is wanted now (nothing before)",
    ),
    "keys are sent in another way": Seeded(
        change=lambda d: d.whole["components"]["securitySchemes"]["ApiKey"].update(scheme="basic"),
        id=r"securitySchemes\.ApiKey",
        says="the security scheme `ApiKey` is another one now",
    ),
    "it is not said any more how keys are sent": Seeded(
        change=lambda d: d.whole["components"]["securitySchemes"].pop("ApiKey"),
        id=r"securitySchemes\.ApiKey",
        says="the security scheme `ApiKey` is gone, and wanted all the same",
    ),
    "a new refusal is no problem": Seeded(
        change=lambda d: d.operation("get_order")["responses"].update(
            {"418": {"description": "A teapot.", "content": {"text/plain": {}}}}
        ),
        id=r"get_order\.418\.application/problem\+json",
        says="get_order 418: this can be answered now, and not as `application/problem+json`",
    ),
    "another server is the first": Seeded(
        change=lambda d: d.whole["servers"].insert(0, {"url": "https://eu.example"}),
        id=r"servers\.first",
        says="the first server is https://eu.example now (/ before): who chooses none is led",
    ),
    "the server is another": Seeded(
        change=lambda d: d.whole.update(servers=[{"url": "https://api.example"}]),
        id=r"servers\./",
        says="the server / is gone",
    ),
}


@pytest.mark.parametrize("name", BREAKING)
def test_it_is_caught_when(name: str) -> None:
    seeded = BREAKING[name]
    found = broken_by(seeded.change, seeded.prepare)
    told = [each for each in found if re.fullmatch(seeded.id, each.id)]
    assert len(told) == 1, found
    assert seeded.says in told[0].sentence
    assert seeded.others or len(found) == 1, found


def test_a_component_is_told_of_once_with_those_whom_it_breaks() -> None:
    (found,) = broken_by(lambda d: _without(d.answer("get_order"), "failure"))
    assert re.match(r"place_order, \w+, \w+ and \d+ more: ", found.sentence)


def test_a_tag_is_told_of_once_with_all_of_its_operations() -> None:
    def change(draft: Draft) -> None:
        for operation in draft.operations():
            if operation["tags"] == ["Payments"]:
                operation["tags"] = ["Money"]

    (found,) = broken_by(change)
    assert re.match(
        r"capture_order, \w+, \w+ and \d+ more: the first tag is `Money`", found.sentence
    )


def test_what_breaks_in_two_ways_is_told_twice() -> None:
    def change(draft: Draft) -> None:
        draft.member(draft.body("place_order"), "amount_cents").update(maximum=500, minimum=2)
        draft.member(draft.body("refund_order"), "amount_cents").update(maximum=500)

    assert [each.id for each in broken_by(change)] == [
        "place_order.request.amount_cents.maximum",
        "place_order.request.amount_cents.minimum",
        "refund_order.request.amount_cents.maximum",
    ]


def test_a_form_more_is_told_by_its_name() -> None:
    def change(draft: Draft) -> None:
        event = draft.form(draft.member(draft.answer("list_events"), "data")["items"])
        parcel = {"$ref": "#/components/schemas/Parcel"}
        event["properties"]["data"] = {"anyOf": [event["properties"]["data"], parcel]}
        draft.whole["components"]["schemas"]["Parcel"] = {"type": "object", "properties": {}}

    (found,) = broken_by(change)
    assert found.id.endswith(".data.variant.Parcel")
    assert "can be `Parcel` now: clients that do not know this form fail" in found.sentence
