"""What breaks when an operation asks for other credentials than it did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from openapi.document import Document
from openapi.findings import Finding, Place
from openapi.operations import Operation, operations

_MEANT: Final = ("type", "scheme", "in", "name", "openIdConnectUrl", "flows")
"""What a scheme is; the rest describes it."""


def security_findings(released: Operation, current: Operation) -> Iterator[Finding]:
    """Whoever was let in must be let in: each alternative of before has to be enough for one of
    now."""
    place = Place(operation=released.label, side="security", owner=released.label)
    offered = current.security()
    for given in released.security():
        if any(_is_enough(given, wanted) for wanted in offered):
            continue
        same = [wanted for wanted in offered if wanted.keys() == given.keys()]
        if not same:
            what = (
                f"{_named(offered)} is wanted now ({_named([given])} before): whoever calls it as"
                " before is refused."
            )
            yield Finding(place=place, rule="changed", what=what)
            continue
        for scheme, scopes in same[0].items():
            for scope in (each for each in scopes if each not in given[scheme]):
                what = (
                    f"the scope `{scope}` is wanted now: whoever has a key without it is refused."
                )
                yield Finding(place=place, rule=scope, what=what)


def scheme_findings(released: Document, current: Document) -> Iterator[Finding]:
    before, now = (each.components("securitySchemes") for each in (released, current))
    wanted = {name for each in operations(current) for one in each.security() for name in one}
    for name, scheme in before.items():
        rule, place = f"securitySchemes.{name}", Place(operation="", owner="")
        if name not in now and name in wanted:
            what = (
                f"the security scheme `{name}` is gone, and wanted all the same: nobody can tell"
                " what to send."
            )
            yield Finding(place=place, rule=rule, what=what)
        elif name in now and _meaning(released, scheme) != _meaning(current, now[name]):
            what = (
                f"the security scheme `{name}` is another one now: whoever sends credentials as"
                " before is refused."
            )
            yield Finding(place=place, rule=rule, what=what)


def _is_enough(given: Mapping[str, Sequence[str]], wanted: Mapping[str, Sequence[str]]) -> bool:
    return all(name in given and set(scopes) <= set(given[name]) for name, scopes in wanted.items())


def _named(alternatives: Sequence[Mapping[str, Sequence[str]]]) -> str:
    named = [" with ".join(map(str, each)) or "nothing" for each in alternatives]
    return " or ".join(dict.fromkeys(named))


def _meaning(document: Document, scheme: object) -> dict[str, Any]:
    node = document.find(scheme).node
    meant = {name: node.get(name) for name in _MEANT}
    # HTTP's names of schemes have no case (RFC 9110, 11.1).
    return meant | {"scheme": str(meant["scheme"]).lower()}
