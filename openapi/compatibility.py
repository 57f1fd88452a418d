"""What would break for the clients of a released document if the current one took its place."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from openapi.document import Document
from openapi.exchanges import Exchange
from openapi.findings import Breakage, Finding, Place
from openapi.generated import operation_findings, title_findings
from openapi.operations import Operation, operations, webhooks
from openapi.security import scheme_findings, security_findings

_MOST_NAMES: Final = 3


def breaking_changes(released: Document, current: Document) -> Sequence[Breakage]:
    """Each once, in the order of the released document. What is wrong with a component is told
    once, and says which operations it breaks. Raises BadDocument."""
    together: dict[tuple[str, ...], list[Finding]] = {}
    for finding in _findings(released, current):
        together.setdefault(finding.key, []).append(finding)
    times: Counter[str] = Counter()
    breakages = []
    for found in together.values():
        name = found[0].id
        times[name] += 1
        # Two forms of one value can break in the same way.
        again = f"#{times[name]}" if times[name] > 1 else ""
        breakages.append(Breakage(f"{name}{again}", _sentence(found)))
    return breakages


def _findings(released: Document, current: Document) -> Iterator[Finding]:
    yield from title_findings(released, current)
    yield from _servers(_urls_of_document(released), _urls_of_document(current))
    yield from scheme_findings(released, current)
    now = {each.place: each for each in operations(current)}
    by_id = {each.id: each for each in now.values()}
    for operation in operations(released):
        namesake = None if operation.id is None else by_id.get(operation.id)
        yield from _operation(operation, now.get(operation.place), namesake)
    hooks = {each.place: each for each in webhooks(current)}
    for hook in webhooks(released):
        if hook.place in hooks:
            yield from _compared(hook, hooks[hook.place])
        else:
            what = "it is not sent any more: receivers wait for it in vain."
            yield _about(hook, "removed", what)


def _operation(
    released: Operation, there: Operation | None, namesake: Operation | None
) -> Iterator[Finding]:
    """`there` is what stands at its address, `namesake` what has its operation id."""
    if there is not None:
        yield from _compared(released, there)
    elif namesake is not None:
        address = f"{namesake.method.upper()} {namesake.path}"
        what = (
            f"it moved to {address}: whoever calls it where it was is told that nothing is there."
        )
        yield _about(released, "moved", what)
        yield from _compared(released, namesake)
    else:
        address = f"{released.method.upper()} {released.path}"
        what = f"{address} is gone: whoever calls it is told that nothing is there."
        yield _about(released, "removed", what)


def _compared(released: Operation, current: Operation) -> Iterator[Finding]:
    yield from operation_findings(released, current)
    if released.servers or current.servers:
        before, now = _urls_of_operation(released), _urls_of_operation(current)
        yield from _servers(before, now, released.label)
    if not released.is_webhook:
        yield from security_findings(released, current)
    yield from Exchange(released=released, current=current).findings()


def _about(operation: Operation, rule: str, what: str) -> Finding:
    place = Place(operation=operation.label, owner=operation.label)
    return Finding(place=place, rule=rule, what=what)


def _servers(
    released: Sequence[str], current: Sequence[str], operation: str = ""
) -> Iterator[Finding]:
    place = Place(operation=operation, owner=operation)
    for url in released:
        if url not in current:
            what = f"the server {url} is gone: clients that are configured for it reach nothing."
            yield Finding(place=place, rule=f"servers.{url}", what=what)
    before, now = released[0], current[0]
    if before != now and before in current:
        what = f"the first server is {now} now ({before} before): who chooses none is led there."
        yield Finding(place=place, rule="servers.first", what=what)


def _urls_of_document(document: Document) -> Sequence[str]:
    return [_url(each) for each in document.whole.get("servers") or [{"url": "/"}]]


def _urls_of_operation(operation: Operation) -> Sequence[str]:
    own = operation.servers
    return _urls_of_document(operation.document) if own is None else [_url(each) for each in own]


def _url(server: Mapping[str, Any]) -> str:
    """As a client takes it that chooses nothing."""
    url: str = server["url"]
    for name, variable in server.get("variables", {}).items():
        url = url.replace(f"{{{name}}}", variable["default"])
    return url


def _sentence(found: Sequence[Finding]) -> str:
    first = found[0]
    parts = (_who(found), first.place.text, first.what)
    return " ".join(part for part in parts if part)


def _who(found: Sequence[Finding]) -> str:
    """The operations, or the one with all of its answers."""
    names = list(dict.fromkeys(each.place.operation for each in found))
    if not names[0]:
        return ""
    if len(names) == 1:
        labels = list(dict.fromkeys(each.place.label for each in found))
        others = [label.removeprefix(f"{names[0]} ") for label in labels[1:]]
        return ", ".join((labels[0], *others)) + ":"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more + ":"
