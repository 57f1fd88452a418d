"""openapi/intended.toml: breaking changes that are meant, each with its reason."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from openapi.checkout import Refused
from openapi.findings import Breakage

_NAME: Final = "openapi/intended.toml"
_KEYS: Final = ("id", "reason")


def read_intended(path: Path) -> Mapping[str, str]:
    """The reasons, by the id of what breaks; none where there is no file. Raises Refused."""
    try:
        whole = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    except ValueError as error:
        raise Refused(f"{_NAME} cannot be read: {error}.") from error
    for key in whole.keys() - {"change"}:
        raise Refused(f"{_NAME}: `{key}` means nothing here; it holds entries [[change]].")
    entries = whole.get("change", [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise Refused(f"{_NAME}: write each entry under [[change]].")
    reasons: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        _check(f"{_NAME}, change {number}", entry, reasons)
        reasons[entry["id"]] = entry["reason"].strip()
    return reasons


def without_intended(
    breakages: Sequence[Breakage], intended: Mapping[str, str]
) -> Sequence[Breakage]:
    """Those that are not meant. Raises Refused when something is meant that does not happen."""
    for stale in intended.keys() - {each.id for each in breakages}:
        raise Refused(f"{_NAME}: `{stale}` breaks nothing: mend the id, or take the entry out.")
    return [each for each in breakages if each.id not in intended]


def _check(where: str, entry: Mapping[str, object], before: Mapping[str, str]) -> None:
    for key in sorted(entry.keys() - set(_KEYS)):
        raise Refused(f"{where}: `{key}` means nothing here; a change has an id and a reason.")
    for key in _KEYS:
        given = entry.get(key)
        if not isinstance(given, str) or not given.strip():
            missing = "no id: the gate prints it." if key == "id" else "no reason: say why."
            raise Refused(f"{where} has {missing}")
    if entry["id"] in before:
        raise Refused(f"{where}: `{entry['id']}` is there twice.")
