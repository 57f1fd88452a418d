"""What breaks between a released schema and the current one, in one direction."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from openapi.directions import Direction
from openapi.document import Document
from openapi.findings import Finding, Place
from openapi.generated import anew, renamed
from openapi.limits import JUDGED, is_narrower_format, narrowings
from openapi.shapes import COMBINED, OPEN, STANDS_FOR, Shape, Variant, says_nothing, shape_of
from openapi.unchanged import unchanged
from openapi.variants import kind_of, pairs

_STRUCTURE: Final = frozenset(
    {
        *("properties", "required", "additionalProperties", "patternProperties"),
        *("propertyNames", "items"),
    }
)
_MEMBERS: Final = ("object", None)
_CANNOT_JUDGE: Final = (
    "has another `{}` now: what that breaks cannot be judged here, so it counts as breaking."
)

_Seen: TypeAlias = tuple[str, str, bool, bool]
"""Two components, and whether a list of values is open here, which can be said beside either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Of all schemas in one body, parameter or header. `seen` are the components that were compared
    in it, `around` the schemas that the one at hand stands in: both can lead back to themselves."""

    released: Document
    current: Document
    direction: Direction
    seen: set[_Seen] = field(default_factory=set)
    around: tuple[str, ...] = ()

    def schemas(
        self, place: Place, released: object, current: object, *, optional: bool = False
    ) -> Iterator[Finding]:
        """`optional` is whether it could be left out."""
        if released is True and current is True:
            return  # whatever there is in anything is anything
        if self._is_unchanged(released, current):
            return
        inner = self
        if _leads_elsewhere(released) or _leads_elsewhere(current):
            pair = json.dumps((released, current), sort_keys=True)
            if pair in self.around:
                return
            inner = self._inside(pair)
        before, now = shape_of(self.released, released), shape_of(self.current, current)
        yield from self._renamed(place, before.name, now.name)
        place = place.inside(before.name)
        yield from self._nulls(place, before, now)
        yield from self._forms(place, before, now)
        yield from self._defaults(place, before, now, optional=optional)
        for one, other in pairs(self.direction, before.variants, now.variants, inner.is_fit):
            if one is not None and other is not None:
                yield from inner.variants(place, one, other)
            else:
                yield self._variant(place, one or other)

    def variants(self, place: Place, released: Variant, current: Variant) -> Iterator[Finding]:
        if released.name is not None and current.name is not None:
            pair = (
                released.name,
                current.name,
                OPEN in released.keywords,
                OPEN in current.keywords,
            )
            if pair in self.seen:
                return
            self.seen.add(pair)
        yield from self._renamed(place, released.name, current.name)
        place = place.inside(released.name)
        narrow, wide = self.direction.narrow_and_wide(released, current)
        if not _takes(narrow.type, wide.type):
            now, before = kind_of(current), kind_of(released)
            yield self._finding(place, "type", now=now, before=before)
            return
        yield from self._retyped(place, released, current)
        yield from self._limits(place, released, current)
        yield from self._unjudged(place, released.keywords, current.keywords)
        if "array" in (released.type, current.type):
            items = (each.keywords.get("items", True) for each in (released, current))
            yield from self.schemas(place.items(), *items)
        if released.type in _MEMBERS and current.type in _MEMBERS:
            yield from self._members(place, released.keywords, current.keywords)

    def _variant(self, place: Place, variant: Variant | None) -> Finding:
        name = "" if variant is None else variant.name or variant.type or "any"
        what = self.direction.say("variant", value=kind_of(variant))
        return Finding(place=place, rule=f"variant.{name}", what=what)

    def is_fit(self, released: Variant, current: Variant) -> bool:
        """Whether nothing breaks between the two but for clients that are generated anew."""
        trial = self._inside("", seen=set(self.seen))
        place = Place(operation="", owner="")
        return all(each.is_anew for each in trial.variants(place, released, current))

    def _is_unchanged(self, released: object, current: object) -> bool:
        if not isinstance(released, Mapping) or released.keys() != {"$ref"}:
            return False
        return released == current and released["$ref"] in unchanged(self.released, self.current)

    def _inside(self, pair: str, seen: set[_Seen] | None = None) -> "Comparison":
        return Comparison(
            released=self.released,
            current=self.current,
            direction=self.direction,
            seen=self.seen if seen is None else seen,
            around=(*self.around, pair),
        )

    def _finding(self, place: Place, rule: str, **given: str) -> Finding:
        return Finding(place=place, rule=rule, what=self.direction.say(rule, **given))

    def _renamed(
        self, place: Place, released: str | None, current: str | None
    ) -> Iterator[Finding]:
        return renamed(place, "schemas", released, current, self.current)

    def _nulls(self, place: Place, released: Shape, current: Shape) -> Iterator[Finding]:
        narrow, wide = self.direction.narrow_and_wide(released, current)
        if wide.nullable and not narrow.nullable:
            yield self._finding(place, "null")
        elif released.nullable and not current.nullable and not says_nothing(released):
            yield anew(place, "null", "is never null now")

    def _forms(self, place: Place, released: Shape, current: Shape) -> Iterator[Finding]:
        """One form is a type, and several are another that holds them."""
        narrow, wide = self.direction.narrow_and_wide(released, current)
        if len(wide.variants) == 1 < len(narrow.variants):
            before, now = (" or ".join(map(kind_of, each.variants)) for each in (released, current))
            yield anew(place, "type", f"is {now} now ({before} before)")

    def _retyped(self, place: Place, released: Variant, current: Variant) -> Iterator[Finding]:
        """What breaks no value: a form that is no narrower where it is sent, or no wider where it
        is read, has another type all the same."""
        if released.type != current.type:
            now, before = kind_of(current), kind_of(released)
            yield anew(place, "type", f"is {now} now ({before} before)")
        formats = (released.keywords.get("format"), current.keywords.get("format"))
        narrow, wide = self.direction.narrow_and_wide(*formats)
        if narrow != wide and not is_narrower_format(narrow, wide):
            before, now = (f"the format `{each}`" if each else "no format" for each in formats)
            yield anew(place, "format", f"has {now} now ({before} before)")

    def _defaults(
        self, place: Place, released: Shape, current: Shape, *, optional: bool
    ) -> Iterator[Finding]:
        """A `default` is what the server takes; `x-default` may only say what was so before."""
        if self.direction.is_request and (optional or released.default is not None):
            yield from self._left_out(place, "default", released.default, current.default)
        if released.stands_for is not None:
            yield from self._left_out(place, STANDS_FOR, released.stands_for, current.stands_for)

    def _left_out(
        self, place: Place, rule: str, released: str | None, current: str | None
    ) -> Iterator[Finding]:
        if released == current:
            return
        sentence = "left open" if current is None else "left out"
        before = "nothing said" if released is None else released
        what = self.direction.say(sentence, now=str(current), before=before)
        yield Finding(place=place, rule=rule, what=what)

    def _limits(self, place: Place, released: Variant, current: Variant) -> Iterator[Finding]:
        """A list of values to which more may come is no limit to what can be read."""
        is_open = not self.direction.is_request and released.keywords.get(OPEN, False)
        for limit in narrowings(*self.direction.narrow_and_wide(released, current)):
            if not (is_open and limit.rule == "enum"):
                rule = f"{limit.rule}.{json.loads(limit.value)}" if limit.value else limit.rule
                yield Finding(place=place, rule=rule, what=self.direction.say_limit(limit))
        if self.direction.is_request:
            return
        if "enum" in released.keywords and current.keywords.get(OPEN, False) and not is_open:
            yield self._finding(place, "enum.open")

    def _unjudged(
        self, place: Place, released: Mapping[str, Any], current: Mapping[str, Any]
    ) -> Iterator[Finding]:
        for keyword in sorted((released.keys() | current.keys()) - JUDGED - _STRUCTURE):
            if released.get(keyword) != current.get(keyword):
                yield Finding(place=place, rule=keyword, what=_CANNOT_JUDGE.format(keyword))

    def _members(
        self, place: Place, released: Mapping[str, Any], current: Mapping[str, Any]
    ) -> Iterator[Finding]:
        before, now = (each.get("properties", {}) for each in (released, current))
        for name in before:
            member = place.member(name)
            if name in now:
                both = (_member(each, name) for each in (released, current))
                optional = name not in released.get("required", ())
                yield from self.schemas(member, *both, optional=optional)
            else:
                yield self._finding(member, "removed")
        narrow, wide = self.direction.narrow_and_wide(released, current)
        for name in sorted(set(narrow.get("required", ())) - set(wide.get("required", ()))):
            # What is gone altogether was told above.
            if self.direction.is_request or name in now or name not in before:
                yield self._finding(place.member(name), "required")
        for name in (name for name in now if name not in before):
            yield from self._new_member(place.member(name), name, released, current)
        yield from self._others(place, released, current)

    def _new_member(
        self, place: Place, name: str, released: Mapping[str, Any], current: Mapping[str, Any]
    ) -> Iterator[Finding]:
        """It may have been there before, without being named: then it is what it was."""
        foreseen = _member(released, name)
        if foreseen is False:
            if not self.direction.is_request:
                yield self._finding(place, "unforeseen")
        elif foreseen is not True:
            yield from self._values(place, foreseen, _member(current, name))

    def _others(
        self, place: Place, released: Mapping[str, Any], current: Mapping[str, Any]
    ) -> Iterator[Finding]:
        """Members that are not named, or only by a pattern."""
        patterns = [*released.get("patternProperties", {}), *current.get("patternProperties", {})]
        for pattern in (None, *dict.fromkeys(patterns)):
            before, now = (_others_of(each, pattern) for each in (released, current))
            narrow, wide = self.direction.narrow_and_wide(before, now)
            if narrow is False:
                if wide is not False:
                    yield self._finding(place, "closed")
            elif wide is not False:
                yield from self.schemas(place.values(), before, now)
        names = [each.get("propertyNames", True) for each in (released, current)]
        yield from self._values(place.names(), *names)

    def _values(self, place: Place, released: object, current: object) -> Iterator[Finding]:
        """Where generated clients had no type for it."""
        found = self.schemas(place, released, current)
        return (each for each in found if not each.is_anew)


def _leads_elsewhere(schema: object) -> bool:
    """Whether it can lead back to where it stands."""
    return isinstance(schema, Mapping) and not COMBINED.isdisjoint(schema)


def _takes(narrow: str | None, wide: str | None) -> bool:
    return narrow in (None, wide) or (narrow, wide) == ("number", "integer")


def _member(keywords: Mapping[str, Any], name: str) -> Any:
    """The schema of one member, named or not."""
    properties: Mapping[str, Any] = keywords.get("properties", {})
    return properties.get(name, keywords.get("additionalProperties", True))


def _others_of(keywords: Mapping[str, Any], pattern: str | None) -> Any:
    """The schema of the members that match it; None stands for those that match none."""
    others = keywords.get("additionalProperties", True)
    patterns: Mapping[str, Any] = keywords.get("patternProperties", {})
    return others if pattern is None else patterns.get(pattern, others)
