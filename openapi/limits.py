"""Of two forms of a value, what one allows and the other does not: enums, bounds, patterns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final, TypeAlias

from openapi.shapes import OPEN, Variant, as_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A way in which one form is narrower than another. `rule` is the keyword; `value` the one
    value that it is about, where it is about one; `narrow` and `wide` are what the two forms say,
    as text, `wide` being NONE, or no limit, where it says nothing."""

    rule: str
    narrow: str
    wide: str
    value: str = ""


NONE: Final = "anything"
"""What a form says that has no such limit."""

_UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties")
_LOWER: Final = ("minimum", "minLength", "minItems", "minProperties")
_EXCLUSIVE: Final = {"maximum": "exclusiveMaximum", "minimum": "exclusiveMinimum"}

JUDGED: Final = frozenset(
    {*_UPPER, *_LOWER, *_EXCLUSIVE.values(), "pattern", "format", "multipleOf", "uniqueItems"}
) | {"enum", OPEN}
"""The keywords that are looked at here."""

_Bound: TypeAlias = tuple[float, bool]
"""A number, and whether it is itself outside."""


def narrowings(narrow: Variant, wide: Variant) -> Iterator[Limit]:
    """Every way in which `narrow` refuses what `wide` allows."""
    yield from _fewer_values(narrow.keywords, wide.keywords)
    for rule in _UPPER:
        yield from _bound(rule, _upper(narrow, rule), _upper(wide, rule), upper=True)
    for rule in _LOWER:
        yield from _bound(rule, _lower(narrow, rule), _lower(wide, rule), upper=False)
    for rule, is_narrower in (("pattern", _is_other), ("format", is_narrower_format)):
        here, there = narrow.keywords.get(rule), wide.keywords.get(rule)
        if is_narrower(here, there):
            yield Limit(rule=rule, narrow=f"`{here}`", wide=_text(there))
    step, other = narrow.keywords.get("multipleOf"), wide.keywords.get("multipleOf")
    if step is not None and (other is None or not _divides(step, other)):
        yield Limit(rule="multipleOf", narrow=as_json(step), wide=_text(other))
    if narrow.keywords.get("uniqueItems") and not wide.keywords.get("uniqueItems"):
        yield Limit(rule="uniqueItems", narrow="true", wide=NONE)


def _fewer_values(narrow: Mapping[str, Any], wide: Mapping[str, Any]) -> Iterator[Limit]:
    if "enum" not in narrow:
        return
    listed = ", ".join(map(as_json, narrow["enum"]))
    if "enum" not in wide:
        yield Limit(rule="enum", narrow=listed, wide=NONE)
        return
    allowed = set(map(as_json, narrow["enum"]))
    for value in map(as_json, wide["enum"]):
        if value not in allowed:
            yield Limit(rule="enum", value=value, narrow=listed, wide=value)


def _bound(
    rule: str, narrow: _Bound | None, wide: _Bound | None, *, upper: bool
) -> Iterator[Limit]:
    if narrow is not None and (wide is None or _is_tighter(narrow, wide, upper=upper)):
        yield Limit(rule=rule, narrow=_bound_text(narrow), wide=_bound_text(wide))


def _is_tighter(one: _Bound, other: _Bound, *, upper: bool) -> bool:
    if one[0] == other[0]:
        return one[1] and not other[1]
    return one[0] < other[0] if upper else one[0] > other[0]


def _upper(variant: Variant, rule: str) -> _Bound | None:
    return min(_bounds(variant, rule), key=lambda each: (each[0], not each[1]), default=None)


def _lower(variant: Variant, rule: str) -> _Bound | None:
    return max(_bounds(variant, rule), key=lambda each: (each[0], each[1]), default=None)


def _bounds(variant: Variant, rule: str) -> Iterator[_Bound]:
    exclusive = variant.keywords.get(_EXCLUSIVE.get(rule, ""))
    if rule in variant.keywords:
        # In OpenAPI 3.0 it was a flag beside the bound.
        yield _whole(variant, rule, (variant.keywords[rule], exclusive is True))
    if exclusive is not None and not isinstance(exclusive, bool):
        yield _whole(variant, rule, (exclusive, True))
    if rule in ("minLength", "minItems", "minProperties"):
        yield (0, False)


def _whole(variant: Variant, rule: str, bound: _Bound) -> _Bound:
    """Less than 10 is at most 9 among integers."""
    number, exclusive = bound
    if variant.type == "integer" and exclusive:
        return (ceil(number) - 1 if rule == "maximum" else floor(number) + 1), False
    return bound


def _bound_text(bound: _Bound | None) -> str:
    if bound is None:
        return "no limit"
    number, exclusive = bound
    return as_json(number) + (", itself not" if exclusive else "")


def is_narrower_format(one: object, other: object) -> bool:
    """Whoever says 64 bits takes what has 32."""
    return _is_other(one, other) and (one, other) != ("int64", "int32")


def _is_other(one: object, other: object) -> bool:
    return one is not None and one != other


def _divides(step: float, other: float) -> bool:
    times = other / step
    return abs(times - round(times)) < _ROUNDING


def _text(said: object) -> str:
    return NONE if said is None else f"`{said}`"


_ROUNDING: Final = 1e-9
