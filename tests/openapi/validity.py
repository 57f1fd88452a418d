"""What a schema means, by trying values one by one: the gate must not be milder than this."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def accepts(schema: Any, value: Any) -> bool:
    """By JSON Schema, for the keywords that are drawn here."""
    if isinstance(schema, bool):
        return schema
    return (
        _is_of_type(schema, value)
        and ("enum" not in schema or any(_same(each, value) for each in schema["enum"]))
        and _is_within(schema, value)
        and _has_good_items(schema, value)
        and _has_good_members(schema, value)
        and any(accepts(each, value) for each in schema.get("anyOf", [True]))
        and all(accepts(each, value) for each in schema.get("allOf", []))
    )


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _is_of_type(schema: Any, value: Any) -> bool:
    said = schema.get("type", list(_TYPES))
    names = [said] if isinstance(said, str) else said
    kinds = tuple(kind for name in names for kind in _TYPES[name])
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _is_within(schema: Any, value: Any) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        bounds = (("minimum", 0), ("maximum", 0), ("exclusiveMinimum", 1), ("exclusiveMaximum", 1))
        for name, strict in bounds:
            away = schema.get(name, value) - value
            away = -away if name.lower().endswith("maximum") else away
            if name in schema and (away > 0 or (strict and away == 0)):
                return False
        return bool(value % schema.get("multipleOf", value or 1) == 0)
    if not isinstance(value, str | list | dict):
        return True
    size = {str: "Length", list: "Items", dict: "Properties"}[type(value)]
    return bool(schema.get(f"min{size}", 0) <= len(value) <= schema.get(f"max{size}", 99))


def _has_good_items(schema: Any, value: Any) -> bool:
    if not isinstance(value, list):
        return True
    if schema.get("uniqueItems") and any(each in value[:n] for n, each in enumerate(value)):
        return False
    return all(accepts(schema.get("items", True), each) for each in value)


def _has_good_members(schema: Any, value: Any) -> bool:
    if not isinstance(value, dict):
        return True
    named, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    return set(schema.get("required", ())) <= value.keys() and all(
        accepts(named.get(name, others), each) for name, each in value.items()
    )


def _values() -> Iterator[Any]:
    flat = [None, True, *range(-1, 5), 0.5, 2.5, "", "x", "xx", "xxx"]
    yield from flat
    yield from ([], {}, [[]], [{}], [{"a": 1}], {"a": {}}, {"a": {"a": 1}}, {"a": [1]})
    yield from ([each] for each in flat)
    yield from ([one, other] for one, other in product((1, 2, "x", None), repeat=2))
    yield from ({"a": each} for each in flat)
    yield from ({"c": each} for each in flat)
    few = (None, 1, 3, "x", "xxx")
    yield from ({"a": one, "b": other} for one, other in product(few, repeat=2))
    yield from ({"a": 1, "b": "x", "c": 2}, [{"a": 1, "b": "x"}], [1, 2, 3])


VALUES: Sequence[Any] = list(_values())
