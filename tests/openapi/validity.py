"""What a schema means, by trying values one by one: the gate must not be milder than this."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import jsonschema_rs


def accepts(schema: Any, value: Any) -> bool:
    """By JSON Schema, 2020-12."""
    return jsonschema_rs.is_valid(schema, value)


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
