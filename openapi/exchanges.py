"""What breaks between a released operation and the current one: parameters, bodies, answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from openapi.directions import REQUEST, RESPONSE, Direction
from openapi.document import Found, Node
from openapi.findings import Finding, Place
from openapi.generated import anew, renamed
from openapi.operations import Operation
from openapi.schemas import Comparison

_STYLES: Final = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
_FIRST_ERROR: Final = "4"
_PROBLEM: Final = "application/problem+json"
"""What every refusal is, be it listed or not."""
_NOT_LOOKED_AT: Final = "is not looked at any more: whoever sends it is not heard."


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A released operation and the current one that stands in its place. In a webhook it is Harbor
    who sends: what is the request of an operation is there what is read."""

    released: Operation
    current: Operation

    @property
    def sent(self) -> Direction:
        return RESPONSE if self.released.is_webhook else REQUEST

    @property
    def read(self) -> Direction:
        return REQUEST if self.released.is_webhook else RESPONSE

    def findings(self) -> Iterator[Finding]:
        yield from self._parameters()
        yield from self._body()
        yield from self._answers()
        before, now = (each.node.get("callbacks", {}) for each in (self.released, self.current))
        if any(now.get(name) != callback for name, callback in before.items()):
            yield Finding(place=self._place("callbacks"), rule="changed", what=_CALLBACKS)

    def _place(self, side: str, whole: str = "", path: str = "") -> Place:
        label = self.released.label
        return Place(operation=label, side=side, whole=whole, path=path, owner=label)

    def _comparison(self, direction: Direction) -> Comparison:
        return Comparison(
            released=self.released.document, current=self.current.document, direction=direction
        )

    def _renamed(
        self, place: Place, section: str, released: str | None, current: str | None
    ) -> Iterator[Finding]:
        return renamed(place, section, released, current, self.current.document)

    def _text(
        self, direction: Direction, place: Place, released: Node, current: Node
    ) -> Iterator[Finding]:
        """Of parameters and headers, in which nobody can write null, unless they are JSON."""
        found = self._comparison(direction).schemas(
            place, _schema(released), _schema(current), optional=not released.get("required")
        )
        for finding in found:
            if finding.rule != "null" or "content" in released:
                yield finding

    def _parameters(self) -> Iterator[Finding]:
        before, now = self.released.parameters(), self.current.parameters()
        for key, (parameter, component) in before.items():
            place = self._place(key[0], path=parameter["name"])
            if key in now:
                other, name = now[key]
                yield from self._renamed(place, "parameters", component, name)
                yield from self._parameter(place.inside(component), parameter, other)
            elif key[0] in ("header", "cookie") and not self.released.is_webhook:
                yield Finding(place=place, rule="removed", what=_NOT_LOOKED_AT)
            else:
                yield Finding(place=place, rule="removed", what=self.sent.say("removed"))
        for key, (parameter, _) in now.items():
            if key not in before and self.sent.is_request and parameter.get("required"):
                place = self._place(key[0], path=parameter["name"])
                yield Finding(place=place, rule="required", what=self.sent.say("required"))

    def _parameter(self, place: Place, released: Node, current: Node) -> Iterator[Finding]:
        if released["in"] == "path" and released["name"] != current["name"]:
            now = f"is called `{current['name']}` now"
            yield anew(place, "renamed", now, "have another argument for it.")
        narrow, wide = self.sent.narrow_and_wide(released, current)
        if narrow.get("required") and not wide.get("required"):
            yield Finding(place=place, rule="required", what=self.sent.say("required"))
        if _written(released) != _written(current):
            what = "is written in another way now: whoever writes it as before is not understood."
            yield Finding(place=place, rule="style", what=what)
        yield from self._text(self.sent, place, released, current)

    def _body(self) -> Iterator[Finding]:
        place = self._place("request", "the body")
        was, other = self._bodies()
        if was is None or other is None:
            yield from self._whole_body(place, was, other)
            return
        yield from self._renamed(place, "requestBodies", was.name, other.name)
        before, now = was.node, other.node
        narrow, wide = self.sent.narrow_and_wide(before, now)
        if narrow.get("required") and not wide.get("required"):
            yield Finding(place=place, rule="required", what=self.sent.say("required"))
        yield from self._contents(self.sent, place, before, now)

    def _bodies(self) -> tuple[Found | None, Found | None]:
        before, now = (
            each.document.find(each.node["requestBody"]) if "requestBody" in each.node else None
            for each in (self.released, self.current)
        )
        return before, now

    def _whole_body(
        self, place: Place, released: Found | None, current: Found | None
    ) -> Iterator[Finding]:
        if released is not None:
            yield Finding(place=place, rule="removed", what=self.sent.say("removed"))
        elif current is not None and current.node.get("required") and self.sent.is_request:
            yield Finding(place=place, rule="required", what=self.sent.say("required"))

    def _contents(
        self, direction: Direction, place: Place, released: Node, current: Node
    ) -> Iterator[Finding]:
        before, now = _by_type(released), _by_type(current)
        for media_type, media in before.items():
            if media_type not in now:
                yield Finding(
                    place=place,
                    rule=media_type,
                    what=f"is no `{media_type}` any more: " + _whom_a_type_breaks(direction),
                )
                continue
            other = now[media_type]
            yield from self._comparison(direction).schemas(
                place, media.get("schema", True), other.get("schema", True)
            )
            if media.get("encoding") != other.get("encoding"):
                what = "is encoded in another way now: whoever does it as before is not understood."
                yield Finding(place=place, rule="encoding", what=what)

    def _answers(self) -> Iterator[Finding]:
        before, now = (each.node.get("responses", {}) for each in (self.released, self.current))
        for status in sorted(before):
            if status in now:
                yield from self._answer(status, before[status], now[status])
            else:
                place = self._place(status)
                yield Finding(place=place, rule="removed", what=_gone(self.released, status))
        if not self.released.is_webhook:
            for status in sorted(now.keys() - before.keys()):
                yield from self._new_answer(status, self.current.document.find(now[status]).node)

    def _new_answer(self, status: str, answer: Node) -> Iterator[Finding]:
        if status < _FIRST_ERROR:
            yield Finding(place=self._place(status), rule="added", what=_NEW_SUCCESS)
        elif _PROBLEM not in _by_type(answer):
            yield Finding(place=self._place(status), rule=_PROBLEM, what=_NO_PROBLEM)

    def _answer(self, status: str, released: object, current: object) -> Iterator[Finding]:
        before = self.released.document.find(released)
        now = self.current.document.find(current)
        place = self._place(status, "the answer").inside(before.name)
        yield from self._renamed(place, "responses", before.name, now.name)
        yield from self._headers(place, before.node, now.node)
        was, comes = (bool(each.node.get("content")) for each in (before, now))
        if was and comes:
            yield from self._contents(self.read, place, before.node, now.node)
        elif was and not self.read.is_request:
            yield Finding(place=place, rule="content", what=_NO_CONTENT)
        elif comes and self.read.is_request:
            yield Finding(place=place, rule="required", what=self.read.say("required"))

    def _headers(self, place: Place, released: Node, current: Node) -> Iterator[Finding]:
        before, now = (
            {name.lower(): (name, each) for name, each in answer.get("headers", {}).items()}
            for answer in (released, current)
        )
        for key, (name, given) in before.items():
            header = self.released.document.find(given)
            there = replace(place, side=f"{place.side}.header", path=name)
            if key not in now:
                yield Finding(place=there, rule="removed", what=self.read.say("removed"))
                continue
            other = self.current.document.find(now[key][1])
            yield from self._renamed(there, "headers", header.name, other.name)
            there = there.inside(header.name)
            narrow, wide = self.read.narrow_and_wide(header.node, other.node)
            if narrow.get("required") and not wide.get("required"):
                yield Finding(place=there, rule="required", what=self.read.say("required"))
            yield from self._text(self.read, there, header.node, other.node)
        for key, (name, given) in now.items():
            header = self.current.document.find(given)
            if key not in before and self.read.is_request and header.node.get("required"):
                there = replace(place, side=f"{place.side}.header", path=name)
                yield Finding(place=there, rule="required", what=self.read.say("required"))


_CALLBACKS: Final = (
    "a callback is another now: what that breaks cannot be judged here, so it counts as breaking."
)
_NEW_SUCCESS: Final = (
    "this can be answered now: clients that know only the statuses of before take it for a failure."
)
_NO_PROBLEM: Final = (
    f"this can be answered now, and not as `{_PROBLEM}`: clients that were promised one fail."
)
_NO_CONTENT: Final = "has no content any more: clients that read it fail."


def _gone(operation: Operation, status: str) -> str:
    if operation.is_webhook:
        return "this is no answer any more: receivers that give it are told again and again."
    if status < _FIRST_ERROR:
        return (
            "this is not answered any more: clients that wait for it take what comes for a failure."
        )
    return "this is not answered any more: clients that handle it do so for nothing."


def _whom_a_type_breaks(direction: Direction) -> str:
    return (
        "whoever sends that is refused." if direction.is_request else "clients that read it fail."
    )


def _by_type(node: Node) -> Mapping[str, Any]:
    """Media types have no case, and no white space of meaning."""
    content: Mapping[str, Any] = node.get("content", {})
    return {"".join(name.split()).lower(): media for name, media in content.items()}


def _schema(node: Node) -> Any:
    """Of a parameter or a header."""
    if "content" in node:
        (media,) = _by_type(node).values()
        return media.get("schema", True)
    return node.get("schema", True)


def _written(parameter: Node) -> tuple[object, ...]:
    """How its value is put into text."""
    style = parameter.get("style", _STYLES[parameter["in"]])
    return (
        style,
        parameter.get("explode", style == "form"),
        parameter.get("allowReserved", False),
        parameter.get("allowEmptyValue", False),
        tuple(_by_type(parameter)),
    )
