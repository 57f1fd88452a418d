"""openapi/intended.toml: breaking changes that are meant, each with its reason."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from openapi.checkout import Refused
from openapi.findings import Breakage
from openapi.shapes import as_json

Intended: TypeAlias = Mapping[Breakage, str]
"""The reasons, by what is meant to break: one place, one rule and the values that were told."""

_NAME: Final = "openapi/intended.toml"
_KEYS: Final = ("id", "what", "reason")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_FEWEST_WORDS: Final = 2


def read_intended(path: Path) -> Intended:
    """None where there is no file. Raises Refused."""
    try:
        whole = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    except ValueError as error:
        raise Refused(f"{_NAME} cannot be read: {error}.") from error
    for key in whole.keys() - {"change"}:
        raise Refused(f"{_NAME}: `{key}` means nothing here; it holds entries [[change]].")
    entries = whole.get("change", [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise Refused(f"{_NAME}: write each entry under [[change]].")
    reasons: dict[Breakage, str] = {}
    for number, entry in enumerate(entries, start=1):
        where = f"{_NAME}, change {number}"
        _check(where, entry)
        meant = Breakage(entry["id"], entry["what"])
        if meant in reasons:
            raise Refused(f"{where}: `{meant.id}` is there twice.")
        reasons[meant] = entry["reason"].strip()
    return reasons


def without_intended(breakages: Sequence[Breakage], intended: Intended) -> Sequence[Breakage]:
    """Those that are not meant. Raises Refused when something is meant that does not happen."""
    for stale in (each for each in intended if each not in breakages):
        now = next((each.sentence for each in breakages if each.id == stale.id), None)
        if now is None:
            raise Refused(
                f"{_NAME}: `{stale.id}` breaks nothing: mend the id, or take the entry out."
            )
        raise Refused(
            f"{_NAME}: `{stale.id}` breaks something else by now. What was meant:\n"
            f"    {stale.sentence}\nWhat it does:\n    {now}"
        )
    return [each for each in breakages if each not in intended]


def entry_of(breakage: Breakage) -> str:
    """As it is to be pasted; the reason is to be written."""
    # A text of JSON is one of TOML too.
    identity, what = as_json(breakage.id), as_json(breakage.sentence)
    return f'[[change]]\nid = {identity}\nwhat = {what}\nreason = "..."\n'


def _check(where: str, entry: Mapping[str, object]) -> None:
    for key in sorted(entry.keys() - set(_KEYS)):
        raise Refused(f"{where}: `{key}` means nothing here; a change has an id, a what, a reason.")
    for key in ("id", "what"):
        if not isinstance(entry.get(key), str):
            raise Refused(f"{where} has no {key}: the gate prints it.")
    reason = entry.get("reason")
    if not isinstance(reason, str) or len(_WORD.findall(reason)) < _FEWEST_WORDS:
        raise Refused(f"{where} has no reason: say why, in words.")
