"""One schema against another, in both directions."""

from typing import Any

import pytest

from openapi.compatibility import breaking_changes
from openapi.document import BadDocument, Document
from openapi.shapes import OPEN, STANDS_FOR
from tests.openapi.tiny import Schema, ids, read, reading, sending, sent, sentences

TEXT = {"type": "string"}
NULL = {"type": "null"}
SHORT = {"type": "string", "maxLength": 5}


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _closed(**properties: Any) -> dict[str, Any]:
    return {**_object(**properties), "additionalProperties": False}


SAME: list[tuple[Schema, Schema]] = [
    ({"type": ["string", "null"]}, {"anyOf": [TEXT, NULL]}),
    ({"type": ["string", "null"]}, {"oneOf": [NULL, TEXT]}),
    ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
    ({"anyOf": [SHORT, NULL], "default": None}, {"type": ["string", "null"], "maxLength": 5,
                                                  "default": None}),
    ({"const": "a"}, {"type": "string", "enum": ["a"]}),
    ({"enum": ["a", "b"]}, {"type": "string", "enum": ["b", "a"]}),
    ({"enum": ["a", None]}, {"anyOf": [{"const": "a"}, NULL]}),
    ({"enum": ["a", None], "type": ["string", "null"]}, {"anyOf": [{"const": "a"}, NULL]}),
    ({"type": "integer", "minimum": 1}, {"type": "integer", "exclusiveMinimum": 0}),
    ({"type": "integer", "maximum": 9.0}, {"type": "integer", "exclusiveMaximum": 10}),
    ({"type": "number", "maximum": 9, "exclusiveMaximum": True},
     {"type": "number", "exclusiveMaximum": 9}),
    ({"allOf": [_object(a=TEXT), _object(("b",), b=TEXT)]}, _object(("b",), a=TEXT, b=TEXT)),
    ({"allOf": [{"type": "integer", "maximum": 5}, {"maximum": 9}]},
     {"type": "integer", "maximum": 5}),
    ({"type": "array"}, {"type": "array", "items": {}}),
    ({"type": "array", "items": True}, {"type": "array", "items": {}}),
    ({"type": "string", "minLength": 0}, TEXT),
    (_object(), {"type": "object", "additionalProperties": True}),
    ({"anyOf": [{"type": "array"}, TEXT, NULL], "items": TEXT},
     {"anyOf": [TEXT, {"type": ["array", "null"], "items": TEXT}]}),
    ({"type": "string", "title": "A", "description": "B", "x-note": 1}, TEXT),
    (True, {}),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_can_be_written_in_several_ways(one: Schema, other: Schema) -> None:
    assert sent(one, other) == sent(other, one) == []
    assert read(one, other) == read(other, one) == []


ORDERED: list[tuple[Schema, Schema, str]] = [
    (SHORT, TEXT, "maxLength"),
    ({"type": "string", "minLength": 1}, TEXT, "minLength"),
    ({"type": "integer"}, {"type": "number"}, "type"),
    (TEXT, {"anyOf": [TEXT, NULL]}, "null"),
    (TEXT, {"type": "string", "nullable": True}, "null"),
    ({"const": "a"}, {"enum": ["a", "b"]}, "enum.b"),
    ({"enum": [1]}, {"enum": [1, 2]}, "enum.2"),
    ({"type": "string", "enum": ["a"]}, TEXT, "enum"),
    ({"type": "number", "exclusiveMaximum": 9}, {"type": "number", "maximum": 9}, "maximum"),
    ({"type": "integer", "maximum": 9}, {"type": "integer"}, "maximum"),
    ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 0}, "minimum"),
    ({"type": "integer", "multipleOf": 10}, {"type": "integer", "multipleOf": 5}, "multipleOf"),
    ({"type": "number", "multipleOf": 0.1}, {"type": "number", "multipleOf": 0.01}, "multipleOf"),
    ({"type": "integer", "format": "int32"}, {"type": "integer", "format": "int64"}, "format"),
    ({"type": "array", "uniqueItems": True}, {"type": "array"}, "uniqueItems"),
    ({"type": "array", "maxItems": 5}, {"type": "array", "maxItems": 6}, "maxItems"),
    ({"type": "array", "minItems": 5}, {"type": "array", "minItems": 4}, "minItems"),
    ({"type": "array", "items": SHORT}, {"type": "array", "items": TEXT}, "[].maxLength"),
    ({"type": "array", "items": SHORT}, {"type": "array"}, "[].type"),
    ({"type": "object", "maxProperties": 5}, {"type": "object"}, "maxProperties"),
    ({"type": "object", "minProperties": 5}, {"type": "object"}, "minProperties"),
    (_object(("a",), a=TEXT), _object(a=TEXT), "a.required"),
    (_object(a=SHORT), _object(a=TEXT), "a.maxLength"),
    (_object(a=_object(b=SHORT)), _object(a=_object(b=TEXT)), "a.b.maxLength"),
    (_closed(), _object(), "closed"),
    ({"type": "object", "additionalProperties": SHORT},
     {"type": "object", "additionalProperties": TEXT}, ".*.maxLength"),
    ({"type": "object", "patternProperties": {"^a": SHORT}},
     {"type": "object", "patternProperties": {"^a": TEXT}}, ".*.maxLength"),
    ({"type": "object", "propertyNames": {"maxLength": 5}}, {"type": "object"}, "(name).maxLength"),
    ({"anyOf": [TEXT, {"type": "integer"}]}, {"anyOf": [TEXT, {"type": "integer"}, NULL]}, "null"),
    (TEXT, {"type": ["string", "integer"]}, "variant.integer"),
    ({"oneOf": [SHORT, {"type": "integer"}]}, {"oneOf": [{"type": "integer"}, TEXT]}, "maxLength"),
    ({"oneOf": [_object(("a",), a={"const": 1}), _object(("a",), a={"const": 2})]},
     {"oneOf": [_object(("a",), a={"const": 3}), _object(("a",), a={"const": 2}),
                _object(("a",), a={"const": 1})]}, "variant.object"),
]  # fmt: skip
"""A narrow schema, a wide one, and what is narrower in it."""


def _values_broken(released: Document, current: Document) -> list[str]:
    """What breaks clients as they are, however they would be generated."""
    found = breaking_changes(released, current)
    return [each.id for each in found if "generated anew" not in each.sentence]


@pytest.mark.parametrize(("narrow", "wide", "rule"), ORDERED)
def test_what_is_sent_must_not_become_narrower(narrow: Schema, wide: Schema, rule: str) -> None:
    assert _values_broken(sending(narrow), sending(wide)) == []
    assert rule in sent(wide, narrow)


@pytest.mark.parametrize(("narrow", "wide", "rule"), ORDERED)
def test_what_is_read_must_not_become_wider(narrow: Schema, wide: Schema, rule: str) -> None:
    assert rule in read(narrow, wide)
    assert _values_broken(reading(wide), reading(narrow)) == []


OTHER_TYPES: list[tuple[Schema, Schema, str]] = [
    ({"type": "integer"}, {"type": "number"}, "type"),
    (TEXT, {}, "type"),
    ({"type": "array", "items": TEXT}, {"type": "array"}, "[].type"),
    (TEXT, {"type": ["string", "integer"]}, "type"),
    ({"type": "integer", "format": "int32"}, {"type": "integer", "format": "int64"}, "format"),
    ({"type": "string", "format": "uuid"}, TEXT, "format"),
]
"""A narrow type, and a wide one."""


@pytest.mark.parametrize(("narrow", "wide", "rule"), OTHER_TYPES)
def test_a_type_is_a_promise_whatever_it_allows(narrow: Schema, wide: Schema, rule: str) -> None:
    told = [
        *zip(sent(narrow, wide), sentences(sending(narrow), sending(wide)), strict=True),
        *zip(read(wide, narrow), sentences(reading(wide), reading(narrow)), strict=True),
    ]
    anew = "clients that are generated anew have another type for it."
    assert [each for each, said in told if said.endswith(anew)] == [rule, rule]


def test_a_wider_type_is_told_as_that() -> None:
    number, integer = {"type": "number"}, {"type": "integer", "format": "int32"}
    anew = ": clients that are generated anew have another type for it."
    assert sentences(sending(_object(a=integer)), sending(_object(a=number))) == [
        f"make: `a` is a number now (an integer before){anew}",
        f"make: `a` has no format now (the format `int32` before){anew}",
    ]
    assert sentences(reading(TEXT), reading({**TEXT, "format": "uuid"})) == [
        f"make 200: the answer has the format `uuid` now (no format before){anew}"
    ]
    either = {"anyOf": [TEXT, {"type": "boolean"}]}
    assert sentences(sending(_object(a=TEXT)), sending(_object(a=either))) == [
        f"make: `a` is a string or a boolean now (a string before){anew}"
    ]


def test_null_is_a_part_of_the_type_of_what_is_read() -> None:
    text_or_null = {"anyOf": [TEXT, NULL]}
    assert sentences(reading(_object(a=text_or_null)), reading(_object(a=TEXT))) == [
        "make 200: `a` is never null now: clients that are generated anew have another type for it."
    ]
    assert sent(_object(a=TEXT), _object(a=text_or_null)) == []


def test_a_type_that_is_told_of_something_new_is_no_other_one() -> None:
    anything = {"type": "object", "additionalProperties": {}}
    assert read(anything, {**anything, "properties": {"a": TEXT}}) == []
    assert read({"type": "object"}, {"type": "object", "propertyNames": {"type": "string"}}) == []


@pytest.mark.parametrize(
    ("kind", "keyword", "unit"),
    [
        ("string", "Length", "character"),
        ("array", "Items", "item"),
        ("object", "Properties", "member"),
    ],
)
def test_one_is_told_as_one(kind: str, keyword: str, unit: str) -> None:
    one, two = ({"type": kind, f"max{keyword}": most} for most in (1, 2))
    (found,) = sentences(sending(two), sending(one))
    assert f"may have at most 1 {unit} now (2 before)" in found
    (found,) = sentences(reading(one), reading(two))
    assert f"no longer has at most 1 {unit} (2 now)" in found
    (found,) = sentences(reading(one), reading({"type": kind}))
    assert f"no longer has at most 1 {unit} (no limit now)" in found
    few, many = ({"type": kind, f"min{keyword}": fewest} for fewest in (0, 2))
    (found,) = sentences(sending(few), sending(many))
    assert f"has to have at least 2 {unit}s now (0 before)" in found


@pytest.mark.parametrize("keyword", ["not", "if", "contains", "readOnly", "contentEncoding"])
def test_what_cannot_be_judged_counts_as_breaking(keyword: str) -> None:
    assert sent(TEXT, {**TEXT, keyword: {"maxLength": 1}}) == [keyword]
    assert read({**TEXT, keyword: {"maxLength": 1}}, TEXT) == [keyword]
    assert sent({**TEXT, keyword: {}}, {**TEXT, keyword: {}}) == []


def test_members_are_not_the_same_in_both_directions() -> None:
    one, two = _object(a=TEXT), _object(a=TEXT, b=TEXT)
    assert (sent(one, two), read(one, two)) == ([], [])
    assert (sent(two, one), read(two, one)) == (["b.removed"], ["b.removed"])


def test_a_new_member_was_to_be_expected_unless_there_was_to_be_none() -> None:
    assert read(_closed(), _closed(a=TEXT)) == ["a.unforeseen"]
    numbers = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert read(numbers, {**numbers, "properties": {"a": TEXT}}) == ["a.type"]
    assert sent(numbers, {**numbers, "properties": {"a": TEXT}}) == ["a.type"]
    assert sent(_closed(), _closed(a=TEXT)) == []


def test_a_member_with_a_default_is_required_all_the_same() -> None:
    now = {"type": "string", "default": "x"}
    assert sent(_object(a=now), _object(("a",), a=now)) == ["a.required"]
    assert sent(_object(), _object(("a",), a=now)) == ["a.required"]


def test_a_default_where_there_was_none_breaks_whoever_leaves_it_out() -> None:
    now = {"type": "string", "default": "x"}
    assert sent(_object(a=TEXT), _object(a=now)) == ["a.default"]
    assert read(_object(a=TEXT), _object(a=now)) == []
    # Nobody left it out before.
    assert sent(_object(("a",), a=TEXT), _object(a=now)) == []
    assert sent(_object(), _object(a=now)) == []
    assert sentences(sending(_object(a=TEXT)), sending(_object(a=now))) == [
        'make: `a` is "x" now where it is left out (nothing said before): whoever leaves it out'
        " gets something else."
    ]


def test_what_a_member_stands_for_that_is_left_out_is_a_promise() -> None:
    one, other = ({**TEXT, STANDS_FOR: value} for value in ("x", "y"))
    for broken in (sent, read):
        assert broken(_object(a=one), _object(a=other)) == ["a.x-default"]
        assert broken(_object(a=one), _object(a=TEXT)) == ["a.x-default"]
        # That it is said, or said of something new, changes nothing.
        assert broken(_object(a=TEXT), _object(a=one)) == []
        assert broken(_object(), _object(a=one)) == []
    (said,) = sentences(sending(_object(a=one)), sending(_object(a=TEXT)))
    assert said.startswith('make: `a` is no longer "x" where it is left out: whoever leaves')


def test_what_a_member_stands_for_is_said_beside_a_reference_too() -> None:
    kind = {"$ref": "#/components/schemas/Kind"}
    before, now = (
        sending(_object(a={**kind, STANDS_FOR: value}), schemas={"Kind": {"enum": ["a", "b"]}})
        for value in ("a", "b")
    )
    assert ids(before, now) == ["make.request.a.x-default"]


@pytest.mark.parametrize(
    ("released", "current", "broken"),
    [
        ({"default": 1}, {"default": 2}, ["default"]),
        ({"default": 1}, {"default": 1.0}, []),
        ({"default": 1}, {}, ["default"]),
        ({"default": None}, {"default": 1}, ["default"]),
        ({}, {"default": 1}, []),
    ],
)
def test_a_default_is_a_promise(
    released: dict[str, Any], current: dict[str, Any], broken: list[str]
) -> None:
    assert sent(released, current) == broken
    assert read(released, current) == []


def test_a_default_beside_a_reference_is_one_too() -> None:
    schemas = {"Kind": {"enum": ["a", "b"], "default": "a"}}
    kind = {"$ref": "#/components/schemas/Kind"}
    before, now = sending(kind, schemas=schemas), sending({**kind, "default": "b"}, schemas=schemas)
    assert ids(before, now) == ["make.request.default"]


def test_a_list_of_values_that_is_open_may_grow_in_what_is_read() -> None:
    closed, larger = {"enum": ["a"]}, {"enum": ["a", "b"]}
    assert read({**closed, OPEN: True}, {**larger, OPEN: True}) == []
    assert read({"anyOf": [closed, NULL], OPEN: True}, {"anyOf": [larger, NULL]}) == []
    assert read({**closed, OPEN: True}, TEXT) == []
    assert read({**closed, OPEN: False}, larger) == ["enum.b"]
    # Where values are sent, an open list says nothing.
    assert sent({**larger, OPEN: True}, {**closed, OPEN: True}) == ["enum.b"]


def test_a_list_of_values_is_not_opened_in_passing() -> None:
    assert read({"enum": ["a"]}, {"enum": ["a", "b"], OPEN: True}) == ["enum.b", "enum.open"]


def test_true_is_not_one() -> None:
    assert sent({"enum": [True]}, {"enum": [1]}) != []
    assert sent({"type": "boolean"}, {"type": "integer"}) == ["type"]


def test_recursion_ends() -> None:
    def tree(**label: Any) -> dict[str, Any]:
        node = {"$ref": "#/components/schemas/Node"}
        again = {"$ref": "#/components/schemas/Node", "minProperties": 1}
        return {
            "Node": _object(
                label={**TEXT, **label},
                left=node,
                right={"anyOf": [node, NULL]},
                more={"type": "array", "items": node},
                others={"type": "object", "additionalProperties": again},
                both={"allOf": [node, {"minProperties": 1}]},
                either={"anyOf": [node, {"type": "array", "items": again}]},
            )
        }

    node = {"$ref": "#/components/schemas/Node"}
    for make in (sending, reading):
        assert ids(make(node, schemas=tree()), make(node, schemas=tree())) == []
    found = ids(sending(node, schemas=tree()), sending(node, schemas=tree(maxLength=5)))
    assert "make.request.label.maxLength" in found


def test_two_components_that_lead_to_each_other_end_too() -> None:
    def pair(kind: str) -> dict[str, Any]:
        one, other = ({"$ref": f"#/components/schemas/{name}"} for name in ("One", "Other"))
        return {
            "One": _object(other=other),
            "Other": _object(one={"allOf": [one]}, kind={"type": kind}),
        }

    one = {"$ref": "#/components/schemas/One"}
    found = ids(reading(one, schemas=pair("string")), reading(one, schemas=pair("integer")))
    assert found == ["make.200.other.kind.type"]


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "#/components/schemas/Loop"}, "refers to itself"),
        ({"$ref": "#/components/schemas/Nothing"}, "leads to nothing"),
        ({"$ref": "other.json#/Thing"}, "leads to nothing"),
        ({"anyOf": [5]}, "there is 5 for a schema"),
    ],
)
def test_a_document_that_leads_nowhere_is_refused(schema: Schema, says: str) -> None:
    loop = {"Loop": {"anyOf": [{"$ref": "#/components/schemas/Loop"}, TEXT]}}
    for released, current in ((schema, TEXT), (TEXT, schema)):
        with pytest.raises(BadDocument, match=says):
            ids(sending(released, schemas=loop), sending(current, schemas=loop))


def test_a_schema_that_is_renamed_is_told_once_wherever_it_is() -> None:
    def of(name: str) -> dict[str, Any]:
        thing = {"$ref": f"#/components/schemas/{name}"}
        union = {"anyOf": [thing, {"$ref": "#/components/schemas/Part"}]}
        schema = _object(a=thing, b={"anyOf": [thing, NULL]}, c=union)
        return {"schema": schema, "schemas": {name: _object(x=TEXT), "Part": _object(y=TEXT)}}

    assert sentences(reading(**of("Thing")), reading(**of("Other"))) == [
        "make: `Thing` is called `Other` now: clients that are generated anew have another type"
        " for it."
    ]


def test_a_name_that_is_gone_is_missed_and_a_new_one_is_not() -> None:
    named = {"$ref": "#/components/schemas/Thing"}
    schemas = {"Thing": _object(a=TEXT)}
    assert ids(reading(named, schemas=schemas), reading(_object(a=TEXT))) == [
        "schemas.Thing.renamed"
    ]
    assert ids(reading(_object(a=TEXT)), reading(named, schemas=schemas)) == []


def test_what_is_said_of_one_use_of_a_component_is_found_there() -> None:
    thing = {"$ref": "#/components/schemas/Thing"}
    schemas = {"Thing": {"type": "string", "maxLength": 10}}
    before, now = _object(a=thing, b=thing), _object(a=thing, b={**thing, "maxLength": 5})
    found = ids(sending(before, schemas=schemas), sending(now, schemas=schemas))
    assert found == ["make.request.b.maxLength"]


def test_two_members_that_change_alike_are_told_of_both() -> None:
    before, now = ({"anyOf": [{**TEXT, "maxLength": most}, NULL]} for most in (10, 5))
    found = sent(_object(a=before, b=before), _object(a=now, b=now))
    assert found == ["a.maxLength", "b.maxLength"]


def test_a_list_that_is_open_in_one_place_is_not_open_in_another() -> None:
    status = {"$ref": "#/components/schemas/Status"}
    schema = _object(a={**status, OPEN: True}, b=status)
    before = reading(schema, schemas={"Status": {"enum": ["x"]}})
    now = reading(schema, schemas={"Status": {"enum": ["x", "y"]}})
    assert ids(before, now) == ["make.200.b.enum.y"]


def test_what_breaks_in_the_same_way_twice_has_two_ids() -> None:
    def parts(one: int, other: int) -> dict[str, Any]:
        texts = [{"type": "array", "items": {**TEXT, "maxLength": most}} for most in (one, other)]
        return {"One": {**texts[0], "minItems": 1}, "Other": {**texts[1], "maxItems": 5}}

    named = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("One", "Other")]}
    found = ids(sending(named, schemas=parts(9, 8)), sending(named, schemas=parts(5, 5)))
    assert found == ["make.request.[].maxLength", "make.request.[].maxLength#2"]
