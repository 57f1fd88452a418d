"""The OpenAPI document that partners generate clients from: what FastAPI makes of the routes, in
order."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from domain.event import EventType
from entrypoints.http.deprecation import document_deprecations
from entrypoints.http.documented import HEADERS, NAMED_RESPONSES, headed
from entrypoints.http.wire.base import MOST_INT64
from entrypoints.http.wire.events import OrderWebhookOut, WebhookEndpointWebhookOut
from entrypoints.http.wire.problems import ProblemOut

Node: TypeAlias = dict[str, Any]

TAGS: Final = [
    {"name": "Orders", "description": "Place orders, and find them again."},
    {"name": "Payments", "description": "What becomes of an order's money."},
    {"name": "Events", "description": "What happened, in one sequence without gaps."},
    {"name": "Webhooks", "description": "Be told of what happens."},
    {"name": "Idempotency", "description": "What became of a request whose answer was lost."},
    {"name": "API keys", "description": "Issue, rotate and revoke keys."},
    {"name": "Operations", "description": "For who runs the service."},
]

_SCHEMAS: Final = "#/components/schemas/"
_RESPONSES: Final = "#/components/responses/"
_UNDOCUMENTED: Final[tuple[type[BaseModel], ...]] = (
    ProblemOut,
    OrderWebhookOut,
    WebhookEndpointWebhookOut,
)
"""What no route names as its answer."""
_SIGNED: Final = (
    (
        "webhook-id",
        "The event's id: the same in each attempt.",
        "019aa6f2-2b6e-7c1a-9d52-7a0d1b1c2d3e",
    ),
    ("webhook-timestamp", "When this attempt was made, in Unix seconds.", "1795255200"),
    (
        "webhook-signature",
        "One signature, or two with a space while a secret is being replaced.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
)
"""The headers of each attempt: name, meaning, example."""
_ENDPOINT_EVENTS: Final = (EventType.ENDPOINT_DISABLED, EventType.ENDPOINT_TEST)


def operation_id(route: APIRoute) -> str:
    return route.name


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` the document."""

    def openapi() -> Node:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> Node:
    document: Node = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=TAGS,
        servers=app.servers,
        contact=app.contact,
    )
    components = document["components"]
    for operation in _operations(document):
        operation["summary"] = _summary(operation["operationId"])
        operation.setdefault("security", [])
        _drop_framework_errors(operation)
        _tidy_parameters(operation)
        _tidy_body(operation, components["schemas"])
        for response in operation["responses"].values():
            response["headers"] = headed("X-Request-Id") | response.get("headers", {})
    document["webhooks"] = {str(event): {"post": _webhook(event)} for event in EventType}
    schemas = components.pop("schemas") | _schemas_of(_UNDOCUMENTED)
    names = {name: _public_name(name) for name in schemas}
    for part in ("paths", "webhooks"):
        document[part] = _tidied(document[part], names)
    schemas = {names[name]: _tidied(_typed(schema), names) for name, schema in schemas.items()}
    used = sorted(_used(schemas, document["paths"], document["webhooks"]))
    components |= {"schemas": {name: schemas[name] for name in used}, "headers": dict(HEADERS)}
    document_deprecations(document, app.routes)
    components["responses"] = _share_responses(document)
    return document


def _operations(document: Node) -> Iterator[Node]:
    for path in document["paths"].values():
        yield from path.values()


def _share_responses(document: Node) -> Node:
    """Let what many operations answer alike stand once; what stands there."""
    shared: Node = {}
    for operation in _operations(document):
        responses = operation["responses"]
        for status, response in responses.items():
            for name, named in NAMED_RESPONSES.items():
                if response == named:
                    responses[status] = {"$ref": _RESPONSES + name}
                    shared[name] = response
    return dict(sorted(shared.items()))


def _summary(operation_id: str) -> str:
    """Issue API key, of issue_api_key."""
    words = operation_id.replace("_", " ").replace("api key", "API key")
    return words[0].upper() + words[1:]


def _drop_framework_errors(operation: Node) -> None:
    """FastAPI documents its own 422 where none was named; ours are all problems."""
    for status, response in list(operation["responses"].items()):
        content = response.get("content", {}).get("application/json", {})
        if "HTTPValidationError" in str(content.get("schema")):
            del operation["responses"][status]


def _tidy_parameters(operation: Node) -> None:
    """What is left out is not null: nobody can send null in a query. Descriptions stand beside the
    schema already."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"] = _without_null(parameter["schema"])
        schema.pop("description", None)


def _tidy_body(operation: Node, schemas: Mapping[str, Node]) -> None:
    """A body that may be left out may not be null; one in which nothing can be said is left out."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        media["schema"] = _without_null(media["schema"])
        if not schemas[media["schema"]["$ref"].removeprefix(_SCHEMAS)].get("properties"):
            del operation["requestBody"]


def _without_null(schema: Node) -> Node:
    variants = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(variants) != 1:
        return schema
    others = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**variants[0], **others}


def _webhook(event: EventType) -> Node:
    """How we tell of this event, as the endpoint sees it (Standard Webhooks)."""
    model = WebhookEndpointWebhookOut if event in _ENDPOINT_EVENTS else OrderWebhookOut
    return {
        "operationId": f"on_{event}".replace(".", "_"),
        "tags": ["Webhooks"],
        "summary": f"Told of {event}",
        "description": "Sent to your webhook endpoints, at least once. Verify the signature before"
        " you read the body, and answer with 2xx when you have kept it.",
        "security": [],
        "parameters": [_signed(*header) for header in _SIGNED],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _SCHEMAS + model.__name__}}},
        },
        "responses": {
            "2XX": {"description": "You have it. Anything else is tried again, for days."},
            "410": {"description": "You want nothing more: the endpoint is disabled."},
        },
    }


def _signed(name: str, description: str, example: str) -> Node:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string", "examples": [example]},
    }


def _schemas_of(models: tuple[type[BaseModel], ...]) -> Node:
    _, found = models_json_schema(
        [(model, "serialization") for model in models], ref_template=_SCHEMAS + "{model}"
    )
    schemas: Node = found["$defs"]
    return schemas


def _public_name(name: str) -> str:
    if name.endswith("Out"):
        return name.removesuffix("Out")
    return name.removesuffix("In") + "Request" if name.endswith("In") else name


def _tidied(node: Any, names: Mapping[str, str]) -> Any:
    """With public names, and without the noise: Pydantic titles every property with its own name,
    of which generators make types; a default of null says no more than that it may be absent; and
    FastAPI writes limits of integers as fractions."""
    if isinstance(node, list):
        return [_tidied(each, names) for each in node]
    if isinstance(node, float) and node.is_integer():
        # The greatest integer of 64 bits is none as a fraction.
        return min(int(node), MOST_INT64)
    if not isinstance(node, dict):
        return node
    tidied = {name: _tidied(value, names) for name, value in _plainly(node).items()}
    if isinstance(tidied.get("title"), str):
        del tidied["title"]
    if "default" in tidied and tidied["default"] is None:
        del tidied["default"]
    if "$ref" in tidied:
        before, slash, last = tidied["$ref"].rpartition("/")
        tidied["$ref"] = before + slash + names.get(last, last)
    return tidied


def _typed(schema: Node) -> Node:
    """As generators understand it: to some of them a member with a default is always there, so it
    has another name."""
    for member in schema.get("properties", {}).values():
        if member.get("default") is not None:
            member["x-default"] = member["default"]
        member.pop("default", None)
    return schema


def _plainly(schema: Node) -> Node:
    """One of a simple type or null is of two types (JSON Schema 2020-12), described as a whole."""
    match schema.get("anyOf"):
        case [{"type": str() as kind} as variant, {"type": "null"}]:
            others = {name: value for name, value in schema.items() if name != "anyOf"}
            return {**variant, **others, "type": [kind, "null"]}
        case _:
            return schema


def _used(schemas: Mapping[str, Node], *roots: Any) -> set[str]:
    """The names of the schemas that something leads to."""
    used: set[str] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix(_SCHEMAS)
            if name in schemas and name not in used:
                used.add(name)
                waiting.append(schemas[name])
            waiting += node.values()
    return used
