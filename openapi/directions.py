"""The two directions of a value, and what a narrower or a wider form breaks in each.

What clients send has to be accepted as before: there the current form must not be narrower than
the released one. What they read has to be as they expect it: there it must not be wider.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from openapi.limits import Limit

Form = TypeVar("Form")


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """`sentences` go on after the name of the member, by rule."""

    is_request: bool
    sentences: Mapping[str, str]

    def narrow_and_wide(self, released: Form, current: Form) -> tuple[Form, Form]:
        """The first must allow whatever the second allows, or something breaks."""
        return (current, released) if self.is_request else (released, current)

    def say(self, rule: str, **given: str) -> str:
        return self.sentences[rule].format(**given)

    def say_limit(self, limit: Limit) -> str:
        now, before = limit.narrow, limit.wide
        if not self.is_request:
            now, before = before, now
        rule = f"{limit.rule} value" if limit.value else limit.rule
        unit = _UNITS.get(limit.rule[3:], "") + ("" if limit.narrow == "1" else "s")
        return self.say(rule, now=now, before=before, value=limit.value, unit=unit)


_UNITS: Final = {"Length": "character", "Items": "item", "Properties": "member"}
_MOST: Final = tuple(f"max{counted}" for counted in _UNITS)
_LEAST: Final = tuple(f"min{counted}" for counted in _UNITS)

_REQUEST: Final = {
    "removed": "is gone: whoever sends it is refused.",
    "required": "is required now: whoever leaves it out is refused.",
    "type": "has to be {now} now ({before} before): whoever sends anything else is refused.",
    "null": "must not be null any more: whoever sends null is refused.",
    "variant": "does not take {value} any more: whoever sends that is refused.",
    "closed": "takes no other members any more: whoever sends some is refused.",
    "left out": "is {now} now where it is left out ({before} before): whoever leaves it out gets"
    " something else.",
    "left open": "is no longer {before} where it is left out: whoever leaves it out gets something"
    " else.",
    "enum": "takes only {now} now: whoever sends anything else is refused.",
    "enum value": "does not take {value} any more: whoever sends it is refused.",
    "maximum": "may be at most {now} now ({before} before): whoever sends more is refused.",
    "minimum": "has to be at least {now} now ({before} before): whoever sends less is refused.",
    **dict.fromkeys(
        _MOST, "may have at most {now} {unit} now ({before} before): whoever sends more is refused."
    ),
    **dict.fromkeys(
        _LEAST,
        "has to have at least {now} {unit} now ({before} before): whoever sends fewer is refused.",
    ),
    "pattern": "has to match {now} now ({before} before): whoever sends anything else is refused.",
    "format": "has to have the format {now} now ({before} before): whoever sends anything else is"
    " refused.",
    "multipleOf": "has to be a multiple of {now} now ({before} before): whoever sends anything else"
    " is refused.",
    "uniqueItems": "must not have the same item twice any more: whoever sends one twice is"
    " refused.",
}
_RESPONSE: Final = {
    "removed": "is gone: clients that read it fail.",
    "required": "can be left out now: clients that count on it fail.",
    "type": "can be {now} now ({before} before): clients that read {before} fail.",
    "null": "can be null now: clients that were generated without null fail when they read it.",
    "variant": "can be {value} now: clients that do not know this form fail when they read it.",
    "closed": "can have members now that are not described: clients that were told there are none"
    " fail.",
    "left out": "stands for {now} now where it is left out ({before} before): clients that know it"
    " as before take it for something else.",
    "left open": "no longer stands for {before} where it is left out: clients that count on it"
    " fail.",
    "unforeseen": "is new where nothing else was to come: clients that were told so fail.",
    "enum": "can be anything now (only {before} before): clients that know only those fail.",
    "enum value": "can be {value} now: clients that know only the values of before fail when they"
    " read it.",
    "enum.open": "may get more values from now on: clients that know only those of before fail when"
    " they read a new one.",
    "maximum": "is no longer at most {before} ({now} now): clients that check it, or store it in"
    " that size, fail.",
    "minimum": "is no longer at least {before} ({now} now): clients that check it fail.",
    **dict.fromkeys(
        _MOST,
        "no longer has at most {before} {unit} ({now} now): clients that check it, or have no room"
        " for more, fail.",
    ),
    **dict.fromkeys(
        _LEAST,
        "no longer has at least {before} {unit} ({now} now): clients that count on as many fail.",
    ),
    "pattern": "no longer matches {before} ({now} now): clients that check it fail.",
    "format": "no longer has the format {before} ({now} now): clients that were generated with it"
    " fail when they read another.",
    "multipleOf": "is no longer a multiple of {before} ({now} now): clients that count on it fail.",
    "uniqueItems": "can have the same item twice now: clients that count on once fail.",
}

REQUEST: Final = Direction(is_request=True, sentences=_REQUEST)
"""What clients send, and what a receiver of webhooks answers."""

RESPONSE: Final = Direction(is_request=False, sentences=_RESPONSE)
"""What clients read, and what a receiver of webhooks is sent."""
