"""What generated clients are made of besides values: names of packages, classes, functions and
types, and the order of arguments. Another one there breaks nobody who has a client, but whoever
generates it anew."""

from collections.abc import Iterator, Mapping
from typing import Final

from openapi.document import Document, Node
from openapi.findings import Finding, Place
from openapi.operations import Operation, ParameterKey

ANEW: Final = "clients that are generated anew have another type for it."


def title_findings(released: Document, current: Document) -> Iterator[Finding]:
    """Packages are named by the title."""
    before, now = (each.whole["info"].get("title") for each in (released, current))
    if before != now:
        what = (
            f"the title is {_quoted(now)} now ({_quoted(before)} before): clients that are"
            " generated anew have another package."
        )
        yield Finding(place=Place(operation="", owner=""), rule="info.title", what=what)


def operation_findings(released: Operation, current: Operation) -> Iterator[Finding]:
    """Functions are named by operation ids, and the classes they are in by first tags."""
    place = Place(operation=released.label, owner=released.label)
    if released.id is not None and released.id != current.id:
        now = f"is called `{current.id}` now" if current.id else "has no operation id any more"
        what = f"it {now}: clients that are generated anew have another function for it."
        yield Finding(place=place, rule="renamed", what=what)
    if released.tag != current.tag:
        yield _tagged(place, released.tag, current.tag)
    if not released.is_webhook:
        yield from _order(released, current)


def renamed(
    place: Place, section: str, released: str | None, current: str | None, document: Document
) -> Iterator[Finding]:
    """Types are named by components, of which this one is used at the place. Once, wherever it is
    used; `document` is the current one."""
    if released is None or released == current:
        return
    if current is None and released in document.components(section):
        return
    now = "has no name any more" if current is None else f"is called `{current}` now"
    rule = f"{section}.{released}.renamed"
    yield Finding(
        place=Place(operation=place.operation, owner=""),
        rule=rule,
        what=f"`{released}` {now}: {ANEW}",
        is_anew=True,
        once=f"{rule} {current}",
    )


def _tagged(place: Place, released: str | None, current: str | None) -> Finding:
    """Once for all operations of the tag."""
    what = (
        f"the first tag is {_quoted(current)} now ({_quoted(released)} before): clients that are"
        " generated anew have it in another class."
    )
    rule = f"tags.{released}.{current}"
    return Finding(place=place, rule=rule, what=what, once=rule)


def _order(released: Operation, current: Operation) -> Iterator[Finding]:
    """Java's calls are positional. What is gone, or new and required, is told by itself."""
    before, now = _arguments(released), _arguments(current)
    left = [key for key in before if key in now]
    kept = [key for key in now if key in before or not now[key].get("required")]
    for was, comes in zip(left, kept, strict=False):
        if was != comes:
            what = (
                f"`{now[comes]['name']}` comes where `{before[was]['name']}` was: clients that are"
                " generated anew and call by position pass one for the other."
            )
            label = released.label
            place = Place(operation=label, side="parameters", owner=label)
            yield Finding(place=place, rule="order", what=what)
            return


def _arguments(operation: Operation) -> Mapping[ParameterKey, Node]:
    """The parameters as they stand in a call: first those that are required."""
    given = ((key, parameter) for key, (parameter, _) in operation.parameters().items())
    return dict(sorted(given, key=lambda each: not each[1].get("required")))


def _quoted(name: str | None) -> str:
    return "none" if name is None else f"`{name}`"
