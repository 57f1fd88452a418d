"""Which form of the current schema is which of the released one."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from openapi.directions import Direction
from openapi.shapes import Variant

Pair: TypeAlias = tuple[Variant | None, Variant | None]
"""The released form and the current one. None stands for none."""

Fits: TypeAlias = Callable[[Variant, Variant], bool]
"""Whether nothing breaks when the second takes the place of the first."""

_KINDS: Final = {
    None: "anything",
    "array": "an array",
    "object": "an object",
    "integer": "an integer",
}


def kind_of(variant: Variant | None) -> str:
    """For people: a component's name, or the type with its article."""
    if variant is None:
        return "nothing"
    if variant.name is not None:
        return f"`{variant.name}`"
    return _KINDS.get(variant.type, f"a {variant.type}")


def pairs(
    direction: Direction, released: Sequence[Variant], current: Sequence[Variant], fits: Fits
) -> Iterator[Pair]:
    """Each form that has to be taken, with the one that takes it: of what clients send every
    released form has to be, of what they read every current one."""
    offers, wanted = direction.narrow_and_wide(released, current)
    if len(offers) == len(wanted) == 1:
        yield _in_order(direction, offers[0], wanted[0])
        return
    left, open_ends = list(offers), []
    found = [(want, _named(want, offers)) for want in wanted]
    for want, offer in found:
        if offer is not None and offer in left:
            left.remove(offer)
            yield _in_order(direction, offer, want)
    for want in (want for want, offer in found if offer is None):
        offer = _fitting(direction, want, left, fits)
        if offer is not None:
            left.remove(offer)
            yield _in_order(direction, offer, want)
        elif _fitting(direction, want, offers, fits) is None:
            open_ends.append(want)
    if len(open_ends) == len(left) == 1:
        # What is left over on both sides was one form, and is another now.
        yield _in_order(direction, left[0], open_ends[0])
    else:
        yield from (_in_order(direction, None, want) for want in open_ends)


def _in_order(direction: Direction, offer: Variant | None, want: Variant | None) -> Pair:
    return (want, offer) if direction.is_request else (offer, want)


def _named(want: Variant, offers: Sequence[Variant]) -> Variant | None:
    if want.name is None:
        return None
    return next((each for each in offers if each.name == want.name), None)


def _fitting(
    direction: Direction, want: Variant, offers: Sequence[Variant], fits: Fits
) -> Variant | None:
    def is_fit(offer: Variant) -> bool:
        return fits(want, offer) if direction.is_request else fits(offer, want)

    return next((each for each in offers if is_fit(each)), None)
