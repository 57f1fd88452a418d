"""Schemas in one form, however they were written: which values there can be besides null.

`type: [string, "null"]`, `anyOf` with null and `nullable` are the same; so are `const` and an
`enum` of one; `allOf` is what all of its parts allow together.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from itertools import product
from math import gcd, lcm
from typing import Any, Final

from openapi.document import BadDocument, Document, name_of

OPEN: Final = "x-extensible-enum"
"""Stands as `true` beside an enum to which values may be added."""
STANDS_FOR: Final = "x-default"
"""What a member stands for that is left out. Generators take one with a `default` for required."""

_ANNOTATIONS: Final = frozenset(
    {
        *("title", "description", "default", "example", "examples", "deprecated", "externalDocs"),
        *("$comment", "$defs", "$id", "$anchor", "$schema", "xml"),
        # What it says is in the variants too.
        "discriminator",
    }
)
COMBINED: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
"""What makes a schema of other schemas."""
_OBJECT: Final = frozenset(
    {"properties", "required", "additionalProperties", "patternProperties", "propertyNames"}
)
_TYPES: Final[Mapping[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One form that a value can have. `type` is None where it can be anything; `keywords` are
    those of JSON Schema, without annotations, `const` being an `enum` of one; `name` is the
    component's."""

    type: str | None
    keywords: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """All the forms that a value can have. `default` and `stands_for` are what it is where it is
    left out, as JSON, None where nothing is said; `name` is the component's if it is one as a
    whole."""

    nullable: bool
    variants: Sequence[Variant]
    default: str | None = None
    stands_for: str | None = None
    name: str | None = None


_ANYTHING: Final = Shape(nullable=True, variants=(Variant(type=None),))
_NOTHING: Final = Shape(nullable=False, variants=())


def shape_of(document: Document, schema: object, passed: Sequence[str] = ()) -> Shape:
    """`passed` are the references on the way to it. Raises BadDocument."""
    if isinstance(schema, bool):
        return _ANYTHING if schema else _NOTHING
    if not isinstance(schema, Mapping):
        raise BadDocument(f"{document.called}: there is {json.dumps(schema)[:80]} for a schema.")
    parts = [_own(schema)]
    if isinstance(schema.get("$ref"), str):
        parts.append(_referenced(document, schema["$ref"], passed))
    parts += [shape_of(document, each, passed) for each in schema.get("allOf", ())]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            parts.append(_either(shape_of(document, each, passed) for each in schema[choice]))
    whole = reduce(_both, parts)
    if "default" in schema:
        whole = replace(whole, default=as_json(schema["default"]))
    if STANDS_FOR in schema:
        whole = replace(whole, stands_for=as_json(schema[STANDS_FOR]))
    return whole


def _referenced(document: Document, reference: str, passed: Sequence[str]) -> Shape:
    if reference in passed:
        raise BadDocument(f"{document.called}: {reference} refers to itself.")
    target = shape_of(document, document.target(reference), (*passed, reference))
    name = name_of(reference)
    variants = target.variants
    if len(variants) == 1:
        variants = (replace(variants[0], name=name),)
    return replace(target, variants=variants, name=name)


def _either(shapes: Iterable[Shape]) -> Shape:
    given = list(shapes)
    return Shape(
        nullable=any(each.nullable for each in given),
        variants=tuple(variant for each in given for variant in each.variants),
    )


def _own(schema: Mapping[str, Any]) -> Shape:
    """What the schema says by itself, without what it is combined of."""
    keywords = {
        name: value
        for name, value in schema.items()
        if name not in _ANNOTATIONS and name not in COMBINED and not name.startswith("x-")
    }
    if schema.get(OPEN) is True:
        keywords[OPEN] = True
    types, nullable = _types(schema, keywords.pop("type", None))
    nullable = keywords.pop("nullable", False) is True or nullable
    if "const" in keywords:
        keywords["enum"] = [keywords.pop("const")]
    if "enum" not in keywords:
        return Shape(
            nullable=nullable, variants=tuple(Variant(type=t, keywords=keywords) for t in types)
        )
    values = keywords["enum"]
    listed = [(t, [value for value in values if _is_of(value, t)]) for t in types]
    return Shape(
        nullable=nullable and None in values,
        variants=tuple(
            Variant(type=t, keywords={**keywords, "enum": own}) for t, own in listed if own
        ),
    )


def _types(schema: Mapping[str, Any], said: object) -> tuple[Sequence[str | None], bool]:
    """The types besides null, and whether it can be null."""
    if isinstance(said, str):
        return (() if said == "null" else (said,)), said == "null"
    if isinstance(said, list):
        return tuple(each for each in said if each != "null"), "null" in said
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values is not None:
        found = dict.fromkeys(_TYPES[type(value)] for value in values if value is not None)
        return tuple(found), None in values
    if COMBINED.isdisjoint(schema):
        # What has members or items is taken for what it is meant to be.
        if not _OBJECT.isdisjoint(schema):
            return ("object",), False
        if "items" in schema:
            return ("array",), False
    return (None,), True


def _is_of(value: object, kind: str | None) -> bool:
    if kind == "number":
        return type(value) in (int, float)
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return value is not None and kind in (None, _TYPES[type(value)])


def _both(one: Shape, other: Shape) -> Shape:
    """What both allow."""
    pairs = product(one.variants, other.variants)
    merged = (_merged(*pair) for pair in pairs)
    return Shape(
        nullable=one.nullable and other.nullable,
        variants=tuple(each for each in merged if each is not None),
        default=one.default or other.default,
        stands_for=one.stands_for or other.stands_for,
        name=(one.name if says_nothing(other) else None)
        or (other.name if says_nothing(one) else None),
    )


def says_nothing(shape: Shape) -> bool:
    """Whether it can be anything."""
    return shape.variants == _ANYTHING.variants and shape.nullable


def _merged(one: Variant, other: Variant) -> Variant | None:
    kinds = {kind for kind in (one.type, other.type) if kind is not None}
    if kinds == {"integer", "number"}:
        kinds = {"integer"}
    if len(kinds) > 1:
        return None
    keywords = {**one.keywords, **other.keywords}
    for keyword in one.keywords.keys() & other.keywords.keys():
        keywords[keyword] = _combine(keyword, one.keywords[keyword], other.keywords[keyword])
    # What more is said of a component than it says itself makes it another one.
    same_as_other = one.type is None and one.keywords.keys() <= {OPEN}
    same_as_one = other.type is None and other.keywords.keys() <= {OPEN}
    name = (one.name if same_as_one else None) or (other.name if same_as_other else None)
    return Variant(type=next(iter(kinds), None), keywords=keywords, name=name)


def _combine(keyword: str, one: Any, other: Any) -> Any:
    """What a keyword says that is there twice. What is not understood stands side by side."""
    if one == other:
        return one
    combine = _COMBINE.get(keyword)
    return [one, other] if combine is None else combine(one, other)


def _properties(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    twice = {name: _all_of(one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **twice}


def _all_of(one: object, other: object) -> object:
    return {"allOf": [one, other]}


def _values(one: Sequence[object], other: Sequence[object]) -> Sequence[object]:
    there = set(map(as_json, other))
    return [value for value in one if as_json(value) in there]


def _multiple(one: float, other: float) -> float:
    """The least number that is a multiple of both."""
    first, second = Fraction(str(one)), Fraction(str(other))
    return float(
        Fraction(lcm(first.numerator, second.numerator), gcd(first.denominator, second.denominator))
    )


_COMBINE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "required": lambda one, other: sorted({*one, *other}),
    "enum": _values,
    "multipleOf": _multiple,
    **dict.fromkeys(("properties", "patternProperties"), _properties),
    **dict.fromkeys(("items", "additionalProperties", "propertyNames"), _all_of),
    **dict.fromkeys(("maximum", "exclusiveMaximum"), min),
    **dict.fromkeys(("minimum", "exclusiveMinimum"), max),
    **dict.fromkeys(("maxLength", "maxItems", "maxProperties"), min),
    **dict.fromkeys(("minLength", "minItems", "minProperties", "uniqueItems"), max),
}


def as_json(value: object) -> str:
    """The same for the same value: 1 and 1.0 are one number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
