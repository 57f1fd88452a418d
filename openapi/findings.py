"""Where something breaks, and what: the parts of a sentence."""

from dataclasses import dataclass, replace
from typing import Final

_WEBHOOK: Final = "webhook "
"""How the name of a webhook begins in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in an operation. `side` is request, query, path, header, cookie, a status, or a
    status with a header; `whole` names it when nothing inside it is meant. `path` leads to a
    member in it, such as `data[].failure`; from `since` on it is inside of `owner`, which is a
    component or the operation: what is found in one component is found once."""

    operation: str
    side: str = ""
    whole: str = ""
    path: str = ""
    owner: str
    since: int = 0

    def member(self, name: str) -> "Place":
        return replace(self, path=f"{self.path}.{name}" if self.path else name)

    def items(self) -> "Place":
        return replace(self, path=f"{self.path}[]")

    def values(self) -> "Place":
        """Of a map."""
        return replace(self, path=f"{self.path}.*")

    def names(self) -> "Place":
        """Of the members of a map."""
        return replace(self, path=f"{self.path}(name)")

    def inside(self, component: str | None) -> "Place":
        """The same place, as a part of the component if there is one."""
        if component is None:
            return self
        return replace(self, owner=f"#{component}", since=len(self.path))

    @property
    def text(self) -> str:
        return f"`{self.path}`" if self.path else self.whole

    @property
    def label(self) -> str:
        """The operation, with the status where it is an answer."""
        status = self.side.partition(".")[0]
        return f"{self.operation} {status}" if status[:1].isdigit() else self.operation

    @property
    def is_read(self) -> bool:
        return self.label != self.operation or self.operation.startswith(_WEBHOOK)

    def id(self, rule: str) -> str:
        parts = (self.operation.replace(_WEBHOOK, "webhooks."), self.side, self.path, rule)
        return ".".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A change at a place that breaks someone. `rule` ends the id; `what` ends the sentence: what
    would break, and for whom. `is_anew` is whether it breaks only who generates a client anew;
    `once` makes findings with the same text one, wherever they are."""

    place: Place
    rule: str
    what: str
    is_anew: bool = False
    once: str | None = None

    @property
    def id(self) -> str:
        return self.rule if self.once is not None else self.place.id(self.rule)

    @property
    def key(self) -> tuple[str, ...]:
        """What is the same for all findings that are one."""
        if self.once is not None:
            return (self.once,)
        place = self.place
        # What is read is the same in every answer and every webhook.
        kind = "" if place.is_read else place.side
        return (place.owner, place.path[place.since :].lstrip("."), kind, self.rule, self.what)


@dataclass(frozen=True, slots=True)
class Breakage:
    """A breaking change. `id` stays the same until the next release; `sentence` says what would
    break, and for whom."""

    id: str
    sentence: str
