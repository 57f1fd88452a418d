"""Schemas drawn at random, and others that are like them."""

from typing import Any

from hypothesis import strategies as st

_SMALL = st.integers(-1, 4)
_SIZE = st.integers(0, 3)
_TEXTS = st.sampled_from(["", "x", "xx"])


def _some(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keywords)


def _listed(of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(of, min_size=1, max_size=3, unique=True)


NUMBERS = st.builds(
    dict.__or__,
    st.fixed_dictionaries({"type": st.sampled_from(["integer", "number"])}),
    st.one_of(
        _some(minimum=_SMALL, exclusiveMaximum=_SMALL),
        _some(maximum=_SMALL, exclusiveMinimum=_SMALL, multipleOf=st.sampled_from([1, 2, 4])),
        st.fixed_dictionaries({"enum": _listed(_SMALL)}),
    ),
)
STRINGS = st.builds(
    dict.__or__,
    st.just({"type": "string"}),
    st.one_of(
        _some(minLength=_SIZE, maxLength=_SIZE), st.fixed_dictionaries({"enum": _listed(_TEXTS)})
    ),
)
OTHERS = st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": [None, "x"]}, {}])
LEAVES = st.one_of(NUMBERS, STRINGS, OTHERS)


def _objects(inner: st.SearchStrategy[Any], *, closed: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Those that are not closed name what else they take, or nothing."""
    others = st.just(False) if closed else st.just(True)
    return st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "required": st.lists(st.sampled_from("ab"), unique=True, max_size=2),
            "additionalProperties": st.one_of(others, inner),
        },
        optional={"minProperties": _SIZE, "maxProperties": _SIZE},
    )


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        dict.__or__,
        st.just({"type": "array"}),
        _some(items=inner, minItems=_SIZE, maxItems=_SIZE, uniqueItems=st.booleans()),
    )


def schemas(*, closed: bool) -> st.SearchStrategy[dict[str, Any]]:
    """With objects that take nothing else, or anything."""

    def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, min_size=2, max_size=3)
        return st.one_of(
            _objects(inner, closed=closed),
            _arrays(inner),
            st.fixed_dictionaries({"anyOf": several}),
            st.fixed_dictionaries({"allOf": several}),
        )

    return st.recursive(LEAVES, larger, max_leaves=6)


@st.composite
def changed(draw: st.DrawFn, schema: Any, other: st.SearchStrategy[Any]) -> Any:
    """The same schema but for a few places: a keyword is gone or of another value, a part is
    another."""
    if not isinstance(schema, dict) or draw(st.integers(0, 9)) == 0:
        return draw(other)
    found = {
        name: value if draw(st.integers(0, 3)) else draw(_changed_value(name, value, other))
        for name, value in schema.items()
    }
    gone = draw(st.sampled_from([None, None, None, *sorted(found)]))
    if gone not in (None, "type", "anyOf", "allOf", "additionalProperties"):
        del found[gone]
    return found


@st.composite
def _changed_value(draw: st.DrawFn, name: str, value: Any, other: st.SearchStrategy[Any]) -> Any:
    if name == "properties":
        return {each: draw(changed(value[each], other)) for each in value}
    if name in ("anyOf", "allOf"):
        return [draw(changed(each, other)) for each in value]
    if isinstance(value, dict):
        return draw(changed(value, other))
    if isinstance(value, list):
        return value[1:] or value
    if isinstance(value, int) and not isinstance(value, bool):
        return max(value + draw(st.integers(-1, 1)), 1 if name == "multipleOf" else 0)
    return value
