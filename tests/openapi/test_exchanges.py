"""One operation against another: parameters, headers, bodies, answers, credentials, webhooks."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.openapi.tiny import document, hook, ids, sentences

TEXT = {"type": "string"}
OK: Mapping[str, Any] = {"responses": {"200": {"description": "Done."}}}


def _parameter(name: str = "q", place: str = "query", **changes: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": TEXT, **changes}


def _with(*parameters: Any, **parts: Any) -> Any:
    return document({**OK, "parameters": list(parameters)}, **parts)


def _answering(**responses: Any) -> Any:
    return document({"responses": {code[1:]: each for code, each in responses.items()}})


def test_a_sentence_says_what_would_break_for_whom() -> None:
    before = _with(_parameter(schema={"type": "integer", "maximum": 10_000_000.0}))
    now = _with(_parameter(schema={"type": "integer", "maximum": 500}))
    assert sentences(before, now) == [
        "make: `q` may be at most 500 now (10000000 before): whoever sends more is refused."
    ]


def test_the_names_of_headers_have_no_case() -> None:
    one, same = _parameter("If-Match", "header"), _parameter("if-match", "header")
    assert ids(_with(one), _with(same)) == []
    assert ids(_with(one), _with()) == ["make.header.If-Match.removed"]
    assert ids(_with(one), _with(_parameter("IF-MATCH", "header", required=True))) == [
        "make.header.If-Match.required"
    ]


def test_a_header_that_is_not_looked_at_any_more_is_told_as_that() -> None:
    assert sentences(_with(_parameter("If-Match", "header")), _with()) == [
        "make: `If-Match` is not looked at any more: whoever sends it is not heard."
    ]


def test_a_query_parameter_and_a_header_of_one_name_are_two() -> None:
    both = _with(_parameter("q"), _parameter("q", "header"))
    assert ids(both, _with(_parameter("q"))) == ["make.header.q.removed"]


def test_headers_that_are_described_elsewhere_are_no_parameters() -> None:
    needed = _parameter("Authorization", "header", required=True)
    assert ids(_with(), _with(needed)) == []


def test_parameters_of_the_path_stand_for_all_of_its_operations() -> None:
    asked = _parameter()
    at_path = document(OK, item={"parameters": [asked]})
    assert ids(at_path, _with(asked)) == ids(_with(asked), at_path) == []
    assert ids(at_path, _with()) == ["make.query.q.removed"]
    stricter = document(
        {**OK, "parameters": [_parameter(required=True)]}, item={"parameters": [asked]}
    )
    assert ids(at_path, stricter) == ["make.query.q.required"]


def test_what_a_path_calls_its_parameter_matters_to_who_generates() -> None:
    def at(name: str, **changes: Any) -> Any:
        given = _parameter(name, "path", required=True, **changes)
        return _with(given, path=f"/things/{{{name}}}/parts")

    assert ids(at("id"), at("thing_id")) == ["make.path.id.renamed"]
    # And what else changes is found under the other name.
    found = ids(at("id"), at("thing_id", schema={"type": "string", "maxLength": 5}))
    assert found == ["make.path.id.renamed", "make.path.id.maxLength"]


def test_two_parameters_of_a_path_that_change_places_are_two_others() -> None:
    def at(*names: str) -> Any:
        given = [_parameter(name, "path", required=True) for name in names]
        return _with(*given, path="/".join(["", *(f"{{{name}}}" for name in names)]))

    assert len(ids(at("a", "b"), at("b", "a"))) == 2
    assert ids(at("a", "b"), at("a", "b")) == []


def test_arguments_stand_where_they_stood() -> None:
    a, b = _parameter("a", required=True), _parameter("b", required=True)
    c, d = _parameter("c"), _parameter("d")
    order = ["make.parameters.order"]
    assert ids(_with(a, b, c), _with(b, a, c)) == order
    assert ids(_with(a, c), _with(a, d, c)) == order
    # Those that are required come first in any case.
    assert ids(_with(a, b, c), _with(c, a, b)) == []
    assert ids(_with(a, c), _with(d, a, c)) == order
    assert ids(_with(a, c), _with(a, c, d)) == []
    # What is told already is not told again.
    assert ids(_with(a, c, d), _with(a, d)) == ["make.query.c.removed"]
    assert ids(_with(a, c), _with(b, a, c)) == ["make.query.b.required"]


def test_an_argument_that_may_be_left_out_goes_behind_those_that_may_not() -> None:
    a, b = (_parameter(name, required=True) for name in "ab")
    assert ids(_with(a, b), _with(a, {**b, "required": False})) == []
    assert ids(_with(a, b), _with({**a, "required": False}, b)) == ["make.parameters.order"]


def test_the_headers_of_a_webhook_are_no_arguments() -> None:
    def telling(*names: str) -> Any:
        found = hook(TEXT)
        headers = [_parameter(name, "header") for name in names]
        found.whole["webhooks"]["thing.made"]["post"]["parameters"] = headers
        return found

    assert ids(telling("a", "b"), telling("b", "a")) == []


@pytest.mark.parametrize(
    "changes",
    [{"style": "spaceDelimited"}, {"explode": False}, {"allowReserved": True}],
)
def test_how_a_parameter_is_written_is_a_promise(changes: dict[str, Any]) -> None:
    assert ids(_with(_parameter()), _with(_parameter(**changes))) == ["make.query.q.style"]


def test_how_a_parameter_is_written_may_be_said_at_length() -> None:
    assert ids(_with(_parameter()), _with(_parameter(style="form", explode=True))) == []


def test_a_parameter_may_have_a_content() -> None:
    def given(schema: Any) -> Any:
        return _with({"name": "q", "in": "query", "content": {"application/json": schema}})

    before, now = given({"schema": TEXT}), given({"schema": {"type": "integer"}})
    assert ids(before, now) == ["make.query.q.type"]
    assert ids(before, before) == []
    assert ids(_with(_parameter()), before) == ["make.query.q.style"]


def test_nobody_writes_null_in_a_query() -> None:
    before, now = _parameter(schema={"type": ["string", "null"]}), _parameter()
    assert ids(_with(before), _with(now)) == []
    one, other = (
        {"name": "q", "in": "query", "content": {"application/json": {"schema": each["schema"]}}}
        for each in (before, now)
    )
    assert ids(_with(one), _with(other)) == ["make.query.q.null"]


def test_a_shared_parameter_is_told_once_for_all() -> None:
    def asking(most: int) -> Any:
        limit = {"$ref": "#/components/parameters/Limit"}
        given = _parameter("limit", schema={"type": "integer", "maximum": most})
        others = {
            name: {"operationId": f"{name}_all", **OK, "parameters": [limit]}
            for name in ("get", "put", "patch", "delete")
        }
        return _with(limit, item=others, components={"parameters": {"Limit": given}})

    (found,) = sentences(asking(100), asking(50))
    assert found.startswith("make, get_all, put_all and 2 more: `limit` may be at most 50 now")
    # That it is gone is something else in each.
    without = asking(100)
    for operation in without.whole["paths"]["/things"].values():
        del operation["parameters"]
    assert ids(asking(100), without)[:2] == [
        "make.query.limit.removed",
        "get_all.query.limit.removed",
    ]


def test_a_body_may_come_but_not_go() -> None:
    content = {"content": {"application/json": {"schema": TEXT}}}
    bare, optional = document(OK), document({**OK, "requestBody": content})
    needed = document({**OK, "requestBody": {**content, "required": True}})
    assert ids(bare, optional) == []
    assert ids(bare, needed) == ids(optional, needed) == ["make.request.required"]
    assert ids(optional, bare) == ["make.request.removed"]
    assert ids(needed, optional) == []


def test_a_body_in_another_media_type_is_another_body() -> None:
    def taking(*types: str, **more: Any) -> Any:
        content = {name: {"schema": TEXT, **more} for name in types}
        return document({**OK, "requestBody": {"content": content}})

    assert ids(taking("application/json"), taking("text/csv")) == ["make.request.application/json"]
    assert ids(taking("application/json"), taking("text/csv", "Application/JSON")) == []
    form = "multipart/form-data"
    encoded = taking(form, encoding={"a": {"contentType": "image/png"}})
    assert ids(taking(form), encoded) == ["make.request.encoding"]


def test_a_shared_body_is_followed() -> None:
    def taking(kind: str) -> Any:
        body = {"content": {"application/json": {"schema": {"type": kind}}}}
        named = {"$ref": "#/components/requestBodies/Thing"}
        shared = {"requestBodies": {"Thing": body}}
        return document({**OK, "requestBody": named}, components=shared)

    assert ids(taking("string"), taking("integer")) == ["make.request.type"]


def test_statuses_are_promises() -> None:
    one, two = {"description": "One."}, {"description": "Two."}
    problem: dict[str, Any] = {"content": {"Application/Problem+JSON": {}}}
    assert ids(_answering(_200=one), _answering(_200=one, _404=problem, _default=problem)) == []
    assert ids(_answering(_200=one), _answering(_200=one, _404=two, _default=two)) == [
        "make.404.application/problem+json",
        "make.default.application/problem+json",
    ]
    assert ids(_answering(_200=one), _answering(_200=one, _204=two)) == ["make.204.added"]
    assert ids(_answering(_200=one), _answering(_200=one, _302=two)) == ["make.302.added"]
    assert ids(_answering(_200=one, _4XX=two), _answering(_200=one)) == ["make.4XX.removed"]
    assert ids(_answering(_200=one, _default=two), _answering(_200=one)) == ["make.default.removed"]


def test_an_answer_that_loses_its_content_breaks_who_reads_it() -> None:
    full = {"content": {"application/json": {"schema": TEXT}}}
    assert ids(_answering(_200=full), _answering(_200={})) == ["make.200.content"]
    assert ids(_answering(_200={}), _answering(_200=full)) == []


def test_headers_of_answers_are_read() -> None:
    def telling(**headers: Any) -> Any:
        return _answering(_200={"headers": {k.replace("_", "-"): v for k, v in headers.items()}})

    whole = {"schema": {"type": "integer"}, "required": True}
    assert ids(telling(Retry_After=whole), telling(retry_after=whole)) == []
    assert ids(telling(Retry_After=whole), telling()) == ["make.200.header.Retry-After.removed"]
    assert ids(telling(Retry_After=whole), telling(Retry_After={"schema": TEXT})) == [
        "make.200.header.Retry-After.required",
        "make.200.header.Retry-After.type",
    ]


def test_a_header_that_goes_from_every_answer_of_an_operation_is_told_once() -> None:
    def telling(headers: Any) -> Any:
        return _answering(_200={"headers": headers}, _404={"headers": headers})

    assert sentences(telling({"X-Request-Id": {"schema": TEXT}}), telling({})) == [
        "make 200, 404: `X-Request-Id` is gone: clients that read it fail."
    ]


SCHEMES: list[tuple[Any, Any, list[str]]] = [
    ([{"Key": []}], [{"Key": ["a"]}], ["make.security.a"]),
    ([{"Key": ["a"]}], [{"Key": ["b", "c"]}], ["make.security.b", "make.security.c"]),
    ([{"Key": ["a", "b"]}], [{"Key": ["b"]}], []),
    ([{"Key": []}], [{"Key": [], "Second": []}], ["make.security.changed"]),
    ([{"Key": [], "Second": []}], [{"Key": []}], []),
    ([{"Key": []}, {"Second": []}], [{"Key": []}], ["make.security.changed"]),
    ([{"Key": []}], [{"Second": []}], ["make.security.changed"]),
    ([], [{"Key": []}], ["make.security.changed"]),
    ([{"Key": []}], [], []),
    ([{}, {"Key": []}], [{"Key": []}], ["make.security.changed"]),
    (None, [{"Key": []}], ["make.security.changed"]),
]


@pytest.mark.parametrize(("released", "current", "broken"), SCHEMES)
def test_whoever_was_let_in_is_let_in(released: Any, current: Any, broken: list[str]) -> None:
    def asking(security: Any) -> Any:
        return document({**OK} if security is None else {**OK, "security": security})

    assert ids(asking(released), asking(current)) == broken


@pytest.mark.parametrize(
    ("section", "component"),
    [
        ("parameters", _parameter()),
        ("requestBodies", {"content": {"text/plain": {"schema": TEXT}}}),
        ("responses", {"description": "Done."}),
        ("headers", {"schema": TEXT}),
    ],
)
def test_a_component_keeps_its_name(section: str, component: dict[str, Any]) -> None:
    operations: dict[str, Callable[[Any], dict[str, Any]]] = {
        "parameters": lambda node: {**OK, "parameters": [node]},
        "requestBodies": lambda node: {**OK, "requestBody": node},
        "responses": lambda node: {"responses": {"200": node}},
        "headers": lambda node: {"responses": {"200": {"headers": {"Age": node}}}},
    }

    def using(node: dict[str, Any], *names: str) -> Any:
        components = {section: dict.fromkeys(names, component)}
        return document(operations[section](node), components=components)

    def named(name: str, *names: str) -> Any:
        return using({"$ref": f"#/components/{section}/{name}"}, name, *names)

    told = [f"{section}.One.renamed"]
    assert ids(named("One"), named("Two")) == told
    assert ids(named("One", "Two"), named("Two", "One")) == told
    assert ids(named("One"), using(component)) == told
    # Nobody misses a name that is there, or had one that is new.
    assert ids(named("One"), using(component, "One")) == []
    assert ids(using(component), named("One")) == []


def test_credentials_can_be_asked_for_by_the_whole_document() -> None:
    assert ids(document(OK), document(OK, security=[{"Key": []}])) == ["make.security.changed"]
    public = {**OK, "security": []}
    assert ids(document(public), document(public, security=[{"Key": []}])) == []


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"scheme": "Bearer"}, []),
        ({"bearerFormat": "other", "description": "Other."}, []),
        ({"scheme": "basic"}, ["securitySchemes.Key"]),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, ["securitySchemes.Key"]),
    ],
)
def test_a_scheme_is_what_it_was(changes: dict[str, Any], broken: list[str]) -> None:
    key = {"type": "http", "scheme": "bearer"}
    before, now = (
        document(OK, components={"securitySchemes": {"Key": each}}) for each in (key, key | changes)
    )
    assert ids(before, now) == broken


def test_a_scheme_is_missed_by_who_has_to_use_it() -> None:
    key = {"securitySchemes": {"Key": {"type": "http", "scheme": "bearer"}}}
    wanted = {**OK, "security": [{"Key": []}]}
    assert ids(document(wanted, components=key), document(wanted)) == ["securitySchemes.Key"]
    assert ids(document(wanted, components=key), document(OK)) == []


def test_servers_are_promises() -> None:
    one, two = {"url": "https://one.example"}, {"url": "https://two.example"}
    assert ids(document(OK, servers=[one]), document(OK, servers=[one, two])) == []
    assert ids(document(OK, servers=[one]), document(OK, servers=[two, one])) == ["servers.first"]
    assert ids(document(OK, servers=[one, two]), document(OK, servers=[one])) == [
        "servers.https://two.example"
    ]
    assert ids(document(OK), document(OK, servers=[one])) == ["servers./"]
    assert ids(document(OK, servers=[one]), document({**OK, "servers": [two]}, servers=[one])) == [
        "make.servers.https://one.example"
    ]
    regions = {"url": "https://{region}.example", "variables": {"region": {"default": "one"}}}
    assert ids(document(OK, servers=[one]), document(OK, servers=[regions])) == []


def test_an_operation_may_have_no_id() -> None:
    nameless = document(OK)
    del nameless.whole["paths"]["/things"]["post"]["operationId"]
    assert ids(nameless, nameless) == ids(nameless, document(OK)) == []
    assert ids(document(OK), nameless) == ["make.renamed"]
    gone = document(OK, path="/others")
    assert ids(nameless, gone) == ["POST /things.removed"]


def test_an_operation_that_moves_is_compared_all_the_same() -> None:
    moved = document({**OK, "parameters": [_parameter(required=True)]}, path="/others")
    assert ids(document(OK), moved) == ["make.moved", "make.query.q.required"]


def test_two_operations_that_exchange_their_names_are_both_renamed() -> None:
    def named(post: str, put: str) -> Any:
        return document({**OK, "operationId": post}, item={"put": {**OK, "operationId": put}})

    assert ids(named("make", "replace"), named("replace", "make")) == [
        "make.renamed",
        "replace.renamed",
    ]


def test_a_webhook_is_read_by_who_receives_it() -> None:
    def made(**properties: Any) -> dict[str, Any]:
        return {"type": "object", "properties": properties, "required": list(properties)}

    before = hook(made(id=TEXT, kind={"enum": ["a"]}))
    assert ids(before, hook(made(id=TEXT, kind={"enum": ["a"]}, more=TEXT))) == []
    assert ids(before, hook(made(kind={"enum": ["a"]}))) == [
        "webhooks.thing.made.request.id.removed"
    ]
    assert sentences(before, hook(made(id=TEXT, kind={"enum": ["a", "b"]}))) == [
        'webhook thing.made: `kind` can be "b" now: clients that know only the values of before'
        " fail when they read it."
    ]
    assert ids(before, document({"responses": {}})) == ["webhooks.thing.made.removed"]
    assert ids(document({"responses": {}}), before) == []


def test_a_webhook_may_be_answered_as_before() -> None:
    ok, gone = {"description": "Thanks."}, {"description": "Gone."}
    before = hook(TEXT, {"2XX": ok, "410": gone})
    assert ids(before, hook(TEXT, {"2XX": ok})) == ["webhooks.thing.made.410.removed"]
    assert ids(before, hook(TEXT, {"2XX": ok, "410": gone, "204": ok})) == []


def test_no_more_is_wanted_of_a_receiver_than_before() -> None:
    bare: dict[str, Any] = {}
    full = {"content": {"application/json": {"schema": TEXT}}}
    place = "webhooks.thing.made.2XX"
    assert ids(hook(TEXT, {"2XX": bare}), hook(TEXT, {"2XX": full})) == [f"{place}.required"]
    assert sentences(hook(TEXT, {"2XX": bare}), hook(TEXT, {"2XX": full})) == [
        "webhook thing.made 2XX: the answer is required now: whoever leaves it out is refused."
    ]
    assert ids(hook(TEXT, {"2XX": full}), hook(TEXT, {"2XX": bare})) == []

    def wanting(**header: Any) -> Any:
        return hook(TEXT, {"2XX": {"headers": {"X-Seen": {"schema": TEXT, **header}}}})

    needed = [f"{place}.header.X-Seen.required"]
    assert ids(hook(TEXT), wanting(required=True)) == needed
    assert ids(wanting(), wanting(required=True)) == needed
    assert ids(hook(TEXT), wanting()) == ids(wanting(required=True), wanting()) == []


def test_the_headers_of_a_webhook_are_read_too() -> None:
    def telling(*parameters: Any) -> Any:
        found = hook(TEXT)
        found.whole["webhooks"]["thing.made"]["post"]["parameters"] = list(parameters)
        return found

    signed = _parameter("webhook-signature", "header", required=True)
    assert ids(telling(signed), telling(signed, _parameter("webhook-more", "header"))) == []
    place = "webhooks.thing.made.header.webhook-signature"
    assert ids(telling(signed), telling()) == [f"{place}.removed"]
    assert ids(telling(signed), telling({**signed, "required": False})) == [f"{place}.required"]


def test_what_a_callback_breaks_cannot_be_judged() -> None:
    def calling(kind: str) -> Any:
        body = {"content": {"application/json": {"schema": {"type": kind}}}}
        callback = {"{$request.body#/url}": {"post": {"requestBody": body}}}
        return document({**OK, "callbacks": {"done": callback}})

    assert ids(calling("string"), calling("integer")) == ["make.callbacks.changed"]
    assert ids(calling("string"), calling("string")) == ids(document(OK), calling("string")) == []
