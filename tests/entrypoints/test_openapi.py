"""The document that partners generate clients from."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from domain.event import EventType
from entrypoints.http.problems import KINDS, MEDIA_TYPE

OPERATIONS = {
    "place_order": "post /v1/orders",
    "get_order": "get /v1/orders/{order_id}",
    "list_orders": "get /v1/orders",
    "list_customer_orders": "get /v1/customers/{customer_id}/orders",
    "capture_order": "post /v1/orders/{order_id}/capture",
    "cancel_order": "post /v1/orders/{order_id}/cancel",
    "refund_order": "post /v1/orders/{order_id}/refunds",
    "list_refunds": "get /v1/orders/{order_id}/refunds",
    "get_refund": "get /v1/refunds/{refund_id}",
    "list_operations": "get /v1/orders/{order_id}/operations",
    "list_events": "get /v1/events",
    "stream_events": "get /v1/events/stream",
    "list_order_events": "get /v1/orders/{order_id}/events",
    "create_webhook_endpoint": "post /v1/webhook-endpoints",
    "list_webhook_endpoints": "get /v1/webhook-endpoints",
    "get_webhook_endpoint": "get /v1/webhook-endpoints/{endpoint_id}",
    "change_webhook_endpoint": "patch /v1/webhook-endpoints/{endpoint_id}",
    "delete_webhook_endpoint": "delete /v1/webhook-endpoints/{endpoint_id}",
    "rotate_webhook_secret": "post /v1/webhook-endpoints/{endpoint_id}/rotate-secret",
    "list_webhook_deliveries": "get /v1/webhook-endpoints/{endpoint_id}/deliveries",
    "get_webhook_delivery": "get /v1/webhook-deliveries/{delivery_id}",
    "redeliver_webhook": "post /v1/webhook-deliveries/{delivery_id}/redeliver",
    "redeliver_webhooks": "post /v1/webhook-endpoints/{endpoint_id}/redeliver",
    "send_test_webhook": "post /v1/webhook-endpoints/{endpoint_id}/test",
    "get_idempotency_key": "get /v1/idempotency-keys/{key}",
    "issue_api_key": "post /v1/api-keys",
    "list_api_keys": "get /v1/api-keys",
    "revoke_api_key": "delete /v1/api-keys/{key_id}",
    "rotate_api_key": "post /v1/api-keys/{key_id}/rotate",
    "get_health": "get /health",
    "get_ready": "get /ready",
}
"""Generated clients name their functions by these: they never change."""
SCOPES = {
    "place_order": "orders:write",
    "get_order": "orders:read",
    "list_orders": "orders:read",
    "list_customer_orders": "orders:read",
    "capture_order": "orders:write",
    "cancel_order": "orders:write",
    "refund_order": "orders:write",
    "list_refunds": "orders:read",
    "get_refund": "orders:read",
    "list_operations": "orders:read",
    **dict.fromkeys(("list_events", "stream_events", "list_order_events"), "events:read"),
    "create_webhook_endpoint": "webhooks:manage",
    "list_webhook_endpoints": "webhooks:manage",
    "get_webhook_endpoint": "webhooks:manage",
    "change_webhook_endpoint": "webhooks:manage",
    "delete_webhook_endpoint": "webhooks:manage",
    "rotate_webhook_secret": "webhooks:manage",
    "list_webhook_deliveries": "webhooks:manage",
    "get_webhook_delivery": "webhooks:manage",
    "redeliver_webhook": "webhooks:manage",
    "redeliver_webhooks": "webhooks:manage",
    "send_test_webhook": "webhooks:manage",
    "get_idempotency_key": "orders:read",
    "issue_api_key": "keys:manage",
    "list_api_keys": "keys:manage",
    "revoke_api_key": "keys:manage",
    "rotate_api_key": "keys:manage",
}
FIRST = {
    **dict.fromkeys(("place_order", "issue_api_key", "rotate_api_key", "refund_order"), "201"),
    **dict.fromkeys(("capture_order", "cancel_order"), "202"),
    **dict.fromkeys(("create_webhook_endpoint", "send_test_webhook"), "201"),
    **dict.fromkeys(("rotate_webhook_secret", "redeliver_webhook", "redeliver_webhooks"), "200"),
}
"""The status of what a POST does for the first time."""
READ_WITH = {"stream_events": ["Last-Event-ID"], "get_order": ["If-None-Match"]}
"""The headers of what only reads."""
TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
EVERYWHERE = {"400", "401", "403", "408", "413", "414", "431", "500", "503"}


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    # As it is served: JSON, with nothing in it that is not.
    found: dict[str, Any] = json.loads(json.dumps(app.openapi(), allow_nan=False))
    return found


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By operation id, with the responses that references lead to."""
    return {
        operation["operationId"]: operation
        | {
            "responses": {
                status: _followed(document, response)
                for status, response in operation["responses"].items()
            }
        }
        for path in document["paths"].values()
        for operation in path.values()
    }


def _followed(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """What the reference leads to, if it is one."""
    found: Any = document
    if "$ref" not in node:
        return node
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    assert isinstance(found, dict)
    return found


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from _nodes(child)


def _schemas(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema, with those inside it."""
    whole = [*document["components"]["schemas"].values()]
    whole += [node["schema"] for node in _nodes(document["paths"]) if "schema" in node]
    for schema in whole:
        yield from _with_inner(schema)


def _with_inner(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    inner += [
        schema[name]
        for name in ("items", "additionalProperties")
        if isinstance(schema.get(name), dict)
    ]
    for each in inner:
        yield from _with_inner(each)


def _types_of(schema: dict[str, Any]) -> set[str]:
    given = schema.get("type", [])
    return {given} if isinstance(given, str) else set(given)


def test_the_document_is_openapi_3_1_with_all_it_needs(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"] == "Harbor Payments"
    assert document["info"]["version"]
    assert document["servers"] == [{"url": "/", "description": "This server."}]
    scheme = document["components"]["securitySchemes"]["ApiKey"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert set(document) <= {
        *("openapi", "info", "servers", "paths", "components", "tags", "security", "webhooks"),
        "externalDocs",
    }


def test_the_operations_and_their_names_are_these(document: dict[str, Any]) -> None:
    found = {
        operation["operationId"]: f"{method} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert found == OPERATIONS


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = {node["$ref"] for node in _nodes(document) if isinstance(node.get("$ref"), str)}
    assert references
    for reference in references:
        assert _followed(document, {"$ref": reference})


@pytest.mark.parametrize("kind", ["schemas", "responses", "headers"])
def test_every_component_is_used(document: dict[str, Any], kind: str) -> None:
    text = json.dumps(document)
    for name in document["components"][kind]:
        assert f'"#/components/{kind}/{name}"' in text, name


def test_a_problem_of_one_code_stands_once_and_is_named_by_it(document: dict[str, Any]) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                codes = re.findall(r"`(\w+)`", response.get("description", ""))
                assert len(codes) != 1, response
    responses = document["components"]["responses"]
    assert responses["BodyTooLarge"]["description"] == "`body_too_large`: The body is too large"


def test_every_schema_says_what_it_is(document: dict[str, Any]) -> None:
    for schema in _schemas(document):
        assert schema.keys() & {"type", "$ref", "anyOf", "enum", "const"}, schema
        assert _types_of(schema) <= TYPES
        assert set(schema.get("required", ())) <= set(schema.get("properties", ()))
        assert "nullable" not in schema
        assert "example" not in schema
        if "pattern" in schema:
            re.compile(schema["pattern"])
        if "enum" in schema:
            assert len(set(schema["enum"])) == len(schema["enum"])


def test_every_path_declares_its_parameters_once(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        wanted = set(re.findall(r"{(\w+)}", path))
        for operation in methods.values():
            parameters = operation.get("parameters", [])
            names = [(each["in"], each["name"]) for each in parameters]
            assert len(set(names)) == len(names)
            assert {name for place, name in names if place == "path"} == wanted
            assert all(each["required"] for each in parameters if each["in"] == "path")


def test_every_operation_is_described_and_grouped(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        for response in operation["responses"].values():
            assert response["description"], name


def test_every_operation_names_the_scope_it_wants(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        wanted = [{"ApiKey": [SCOPES[name]]}] if name in SCOPES else []
        assert operation["security"] == wanted, name


def test_every_operation_has_its_problem_responses(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        statuses = {status for status in operation["responses"] if status >= "4"}
        if name not in SCOPES:
            continue
        assert statuses >= EVERYWHERE, name
        if OPERATIONS[name].startswith("post"):
            assert statuses >= {"409", "415", "422"}, name
        if name.startswith("list_"):
            assert "422" in statuses, name
        if name in ("get_order", "revoke_api_key", "rotate_api_key"):
            assert "404" in statuses, name
    assert "503" in operations["get_ready"]["responses"]


def test_every_refusal_is_a_problem(operations: dict[str, dict[str, Any]]) -> None:
    for operation in operations.values():
        for status, response in operation["responses"].items():
            if status < "4":
                assert MEDIA_TYPE not in response.get("content", {})
                continue
            schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
            assert response["content"] == {MEDIA_TYPE: schema}
            codes = set(re.findall(r"`(\w+)`", response["description"]))
            assert codes
            assert {KINDS[code].status for code in codes} == {int(status)}
            retried = any(KINDS[code].retry_after for code in codes)
            assert ("Retry-After" in response["headers"]) == retried


def test_placing_an_order_names_every_way_in_which_it_is_refused(
    operations: dict[str, dict[str, Any]],
) -> None:
    responses = operations["place_order"]["responses"].values()
    text = " ".join(response["description"] for response in responses)
    assert set(re.findall(r"`(\w+)`", text)) == {
        *("malformed_request", "idempotency_key_missing", "idempotency_key_invalid"),
        *("api_key_missing", "api_key_invalid", "scope_missing", "request_timeout"),
        *("idempotency_in_progress", "idempotency_key_expired", "idempotency_key_reused"),
        *("body_too_large", "uri_too_long", "headers_too_large", "unsupported_media_type"),
        *("validation_failed", "payment_method_unknown"),
        *("internal_error", "unavailable", "outcome_unknown"),
    }


def test_the_problem_has_every_code(document: dict[str, Any]) -> None:
    problem = document["components"]["schemas"]["Problem"]
    assert problem["properties"]["code"] == {"$ref": "#/components/schemas/ProblemCode"}
    assert document["components"]["schemas"]["ProblemCode"]["enum"] == sorted(KINDS)
    assert set(problem["required"]) == {
        *("type", "title", "status", "detail", "instance", "code", "request_id"),
    }


def test_what_makes_something_wants_an_idempotency_key(
    operations: dict[str, dict[str, Any]],
) -> None:
    for name, operation in operations.items():
        keyed = [each for each in operation.get("parameters", ()) if each["in"] == "header"]
        if OPERATIONS[name].startswith("post"):
            header, *others = keyed
            assert (header["name"], header["required"]) == ("Idempotency-Key", True)
            # Only what changes an order takes the version that the caller has seen.
            conditional = [("If-Match", False)] if "412" in operation["responses"] else []
            assert [(each["name"], each["required"]) for each in others] == conditional
            first, again = operation["responses"][FIRST[name]], operation["responses"]["200"]
            assert first["content"] == again["content"]
            assert {"Location", "Idempotent-Replayed"} <= set(first["headers"])
        else:
            assert [each["name"] for each in keyed] == READ_WITH.get(name, [])


def test_nothing_internal_and_nothing_of_the_framework_is_in_it(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for word in ("risk_score", "risk", "HTTPValidationError", "ValidationError", "digest", "fence"):
        assert word not in text


def test_every_member_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        assert schema["description"], name
        for member, given in schema.get("properties", {}).items():
            assert _described(given, schemas), f"{name}.{member}"


def _described(schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """By itself, or by what it is."""
    if "$ref" in schema:
        schema = {**schemas[schema["$ref"].rpartition("/")[2]], **schema}
    inner = [*schema.get("anyOf", ()), schema.get("items", {})]
    return "description" in schema or any(_described(each, schemas) for each in inner if each)


def test_every_value_has_an_example(document: dict[str, Any]) -> None:
    """But for what there is one value of, and what is made of others."""
    for name, schema in document["components"]["schemas"].items():
        for member, given in schema.get("properties", {}).items():
            whole = given.keys() & {"$ref", "anyOf", "const"}
            whole |= _types_of(given) & {"array", "boolean"}
            assert whole or given.get("examples"), f"{name}.{member}"


def test_every_parameter_has_an_example(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        for parameter in operation.get("parameters", ()):
            whole = parameter["schema"].keys() & {"$ref", "example", "examples"}
            assert whole or "example" in parameter, (name, parameter["name"])


def test_summaries_are_written_as_sentences_are(operations: dict[str, dict[str, Any]]) -> None:
    assert operations["place_order"]["summary"] == "Place order"
    assert operations["list_api_keys"]["summary"] == "List API keys"


def test_how_many_types_of_events_there_are_is_no_promise(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    sent = schemas["WebhookEndpointRequest"]["properties"]["event_types"]
    assert sent["maxItems"] == len(EventType)
    answered = schemas["WebhookEndpoint"]["properties"]["event_types"]
    assert "maxItems" not in answered
    assert answered["examples"] == sent["examples"]


def test_no_type_has_the_name_of_anothers_constructor(document: dict[str, Any]) -> None:
    """To a generator of Go, NewOrder is what makes an Order."""
    names = set(document["components"]["schemas"])
    assert not {name for name in names if name.removeprefix("New") in names - {name}}


def test_no_member_has_a_default(document: dict[str, Any]) -> None:
    """openapi-typescript would have it always there, in what is sent too."""
    for name, schema in document["components"]["schemas"].items():
        for member, given in schema.get("properties", {}).items():
            assert "default" not in given, f"{name}.{member}"
    method = document["components"]["schemas"]["OrderRequest"]["properties"]["capture_method"]
    assert method["x-default"] == "automatic"


def test_metadata_is_typed(document: dict[str, Any]) -> None:
    """Generators know the values of a map by `additionalProperties` only."""
    metadata = document["components"]["schemas"]["Metadata"]
    assert metadata["additionalProperties"]["type"] == "string"
    assert metadata["propertyNames"].keys() == {"minLength", "maxLength", "pattern"}
    assert "patternProperties" not in metadata


def test_nothing_that_a_generator_would_have_to_name_is_without_a_name(
    document: dict[str, Any],
) -> None:
    """Objects and enumerations are components, so that a client has one type for each."""
    named = document["components"]["schemas"].values()
    for schema in _schemas(document):
        if not any(schema is each for each in named):
            assert "object" not in _types_of(schema), schema
            assert len(schema.get("enum", ())) <= 1, schema


def test_no_schema_is_there_twice(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert not [name for name in schemas if not name.isalnum()]
    texts = [json.dumps(schema, sort_keys=True) for schema in schemas.values()]
    assert len(set(texts)) == len(texts)


def test_what_may_be_left_out_of_a_request_is_not_null(document: dict[str, Any]) -> None:
    for operation in (each for path in document["paths"].values() for each in path.values()):
        given = [each["schema"] for each in operation.get("parameters", ())]
        for media in operation.get("requestBody", {}).get("content", {}).values():
            assert set(media["schema"]) == {"$ref"}
        assert all("anyOf" not in schema for schema in given)


def test_every_response_names_its_request(operations: dict[str, dict[str, Any]]) -> None:
    for operation in operations.values():
        for response in operation["responses"].values():
            assert "X-Request-Id" in response["headers"]


def test_links_lead_to_operations_that_take_what_they_give(
    operations: dict[str, dict[str, Any]],
) -> None:
    found = 0
    for operation in operations.values():
        for status, response in operation["responses"].items():
            for link in response.get("links", {}).values():
                found += 1
                assert status < "3"
                target = operations[link["operationId"]]
                taken = {each["name"] for each in target["parameters"]}
                assert set(link["parameters"]) <= taken
    assert found
    after = operations["place_order"]["responses"]["201"]["links"]
    assert set(after) >= {"get_order", "capture_order", "cancel_order", "refund_order"}


def test_every_event_is_a_webhook(document: dict[str, Any]) -> None:
    assert set(document["webhooks"]) == {str(event) for event in EventType}
    names = [each["post"]["operationId"] for each in document["webhooks"].values()]
    assert len(set(names)) == len(names)
    for name, methods in document["webhooks"].items():
        (given,) = methods["post"]["requestBody"]["content"].values()
        about_order = name.startswith(("order.", "refund."))
        wanted = "OrderWebhook" if about_order else "WebhookEndpointWebhook"
        assert given["schema"] == {"$ref": f"#/components/schemas/{wanted}"}
        headers = [each["name"] for each in methods["post"]["parameters"]]
        assert headers == ["webhook-id", "webhook-timestamp", "webhook-signature"]


def test_only_enumerations_that_may_grow_say_so(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    growing = {name for name, schema in schemas.items() if schema.get("x-extensible-enum")}
    assert growing == {
        *("EventType", "PaymentOperationKind", "ProblemCode", "Scope"),
        *("WebhookAttemptProblem", "WebhookDisabledReason"),
    }
    assert all("ore may come" in schemas[name]["description"] for name in growing)


def test_properties_have_no_titles(document: dict[str, Any]) -> None:
    for schema in _schemas(document):
        assert not isinstance(schema.get("title"), str)


def test_the_document_is_the_same_each_time(app: FastAPI, document: dict[str, Any]) -> None:
    app.openapi_schema = None
    assert json.loads(json.dumps(app.openapi())) == document
