"""The files that a release of the document is made of."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from openapi.document import Document, read_document

HERE: Final = Path(__file__).parents[1]
_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_HEADING: Final = re.compile(r"^## (\S+)", re.MULTILINE)


class Refused(Exception):
    """Something is not as it has to be. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """Of a checkout, what has to do with releases of the document. Messages name its files as
    they stand in it."""

    root: Path

    @property
    def current(self) -> Path:
        return self.root / "openapi/harbor-v1.json"

    @property
    def intended(self) -> Path:
        return self.root / "openapi/intended.toml"

    @property
    def released(self) -> Path:
        return self.root / "openapi/released/harbor-v1.json"

    @property
    def seal(self) -> Path:
        """What `sha256sum` says of the released document: only a release writes it."""
        return self.root / "openapi/released/harbor-v1.sha256"

    def read_current(self) -> Document:
        """Raises BadDocument."""
        return read_document(self.current, "openapi/harbor-v1.json")

    def read_released(self) -> Document:
        """Raises BadDocument, Refused."""
        if not (self.released.exists() and self.seal.exists()):
            raise Refused(
                "openapi/released is not whole, and without it nothing can be judged:"
                " `git checkout HEAD -- openapi/released` brings it back."
            )
        document = read_document(self.released, "openapi/released/harbor-v1.json")
        if self.seal.read_text("utf-8") != seal_of(self.released.read_bytes()):
            raise Refused(
                "openapi/released/harbor-v1.json is not as it was released:"
                " `git checkout HEAD -- openapi/released` brings it back. Only"
                " `make release-openapi` moves it, and only forward."
            )
        if not self.is_noted(document.version):
            raise Refused(
                f"CHANGELOG.md has no heading for {document.version}, which"
                " openapi/released/harbor-v1.json says was released."
            )
        return document

    def is_noted(self, version: str) -> bool:
        """Whether the version has a heading in the change log. Raises Refused."""
        changes = self.root / "CHANGELOG.md"
        if not changes.exists():
            raise Refused("CHANGELOG.md is missing: each release has a heading in it.")
        return version in _HEADING.findall(changes.read_text("utf-8"))


def seal_of(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}  harbor-v1.json\n"


def version_of(document: Document) -> tuple[int, ...]:
    """Raises Refused."""
    found = _VERSION.fullmatch(document.version)
    if found is None:
        raise Refused(f"{document.called}: info.version is {document.version}, and no X.Y.Z.")
    return tuple(map(int, found.groups()))
