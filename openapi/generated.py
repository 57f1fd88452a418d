"""What generated clients are made of besides values: names of packages, classes, functions and
types, and the order of arguments. Another one there breaks nobody who has a client, but whoever
generates it anew."""

from collections.abc import Iterator, Mapping

from openapi.document import Document, Node
from openapi.findings import Finding, Place
from openapi.operations import Operation, ParameterKey


def anew(
    place: Place,
    rule: str,
    what: str,
    then: str = "have another type for it.",
    once: str | None = None,
) -> Finding:
    """What breaks only clients that are generated anew; `then` is what they do."""
    what = f"{what}: clients that are generated anew {then}"
    return Finding(place=place, rule=rule, what=what, is_anew=True, once=once)


def title_findings(released: Document, current: Document) -> Iterator[Finding]:
    """Packages are named by the title."""
    before, now = (each.whole["info"].get("title") for each in (released, current))
    if before != now:
        what = f"the title is {_quoted(now)} now ({_quoted(before)} before)"
        place = Place(operation="", owner="")
        yield anew(place, "info.title", what, "have another package.")


def operation_findings(released: Operation, current: Operation) -> Iterator[Finding]:
    """Functions are named by operation ids, and the classes they are in by first tags."""
    place = Place(operation=released.label, owner=released.label)
    if released.id is not None and released.id != current.id:
        now = f"is called `{current.id}` now" if current.id else "has no operation id any more"
        yield anew(place, "renamed", f"it {now}", "have another function for it.")
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
    nowhere = Place(operation=place.operation, owner="")
    yield anew(nowhere, rule, f"`{released}` {now}", once=f"{rule} {current}")


def _tagged(place: Place, released: str | None, current: str | None) -> Finding:
    """Once for all operations of the tag."""
    rule = f"tags.{released}.{current}"
    what = f"the first tag is {_quoted(current)} now ({_quoted(released)} before)"
    return anew(place, rule, what, "have it in another class.", once=rule)


def _order(released: Operation, current: Operation) -> Iterator[Finding]:
    """Java's calls are positional. What is gone, or new and required, is told by itself."""
    before, now = _arguments(released), _arguments(current)
    left = [key for key in before if key in now]
    kept = [key for key in now if key in before or not now[key].get("required")]
    for was, comes in zip(left, kept, strict=False):
        if was != comes:
            place = Place(operation=released.label, side="parameters", owner=released.label)
            what = f"`{now[comes]['name']}` comes where `{before[was]['name']}` was"
            yield anew(place, "order", what, "and call by position pass one for the other.")
            return


def _arguments(operation: Operation) -> Mapping[ParameterKey, Node]:
    """The parameters as they stand in a call: first those that are required."""
    given = ((key, parameter) for key, (parameter, _) in operation.parameters().items())
    return dict(sorted(given, key=lambda each: not each[1].get("required")))


def _quoted(name: str | None) -> str:
    return "none" if name is None else f"`{name}`"
