"""What generated clients are made of besides schemas: names of packages, classes and functions.
Another one there breaks nobody who has a client, but whoever generates it anew."""

from collections.abc import Iterator

from openapi.document import Document
from openapi.findings import Finding, Place
from openapi.operations import Operation


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


def _tagged(place: Place, released: str | None, current: str | None) -> Finding:
    """Once for all operations of the tag."""
    what = (
        f"the first tag is {_quoted(current)} now ({_quoted(released)} before): clients that are"
        " generated anew have it in another class."
    )
    rule = f"tags.{released}.{current}"
    return Finding(place=place, rule=rule, what=what, once=rule)


def _quoted(name: str | None) -> str:
    return "none" if name is None else f"`{name}`"
