"""What a guide in docs/ shows: its programs, its commands, and what comes out of them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DOCS: Final = Path(__file__).parents[2] / "docs"
LEFT_OUT: Final = "…"
"""Stands in a guide for what differs each time; as a member of an object, for other members."""

_PROGRAM: Final = r"\]\(({folder}/[^)]+)\)(?:(?!^#).)*?^```\w+\n(.*?)^```$"
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_HTTP_ANSWER: Final = re.compile(r"(?=HTTP/1\.1 \d{3})")
_ANY: Final = re.compile(f"(?:019a)?{LEFT_OUT}")
"""An id begins with the time at which it was made, so that no beginning of one stays true."""
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass(frozen=True, slots=True)
class Shown:
    """A fenced block. `language` is what its first line says, or nothing."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """Commands for a shell, and what the guide shows of their output."""

    commands: str
    outputs: tuple[Shown, ...]


def programs_shown(guide: Path, folder: str) -> dict[str, str]:
    """The text that follows each link to a file of the folder, by the file's path."""
    pattern = re.compile(_PROGRAM.format(folder=folder), re.M | re.S)
    return dict(pattern.findall(guide.read_text(encoding="utf-8")))


def steps(guide: Path) -> list[Step]:
    """All that the guide tells a person to type, in order. Every block that is no program belongs
    to a step."""
    found: list[Step] = []
    for shown in _blocks(guide):
        match shown.language:
            case "sh":
                found.append(Step(shown.text, ()))
            case "http" | "json" | "":
                found[-1] = Step(found[-1].commands, (*found[-1].outputs, shown))
            case language:
                assert language == "python", f"nobody runs {language}"
    return found


def _blocks(guide: Path) -> Iterator[Shown]:
    for language, text in _BLOCK.findall(guide.read_text(encoding="utf-8")):
        yield Shown(language, text)


def assert_shows(step: Step, output: str) -> None:
    """The output is what the guide shows of it."""
    if not step.outputs:
        return
    parts = [output]
    if step.outputs[0].language == "http":
        parts = _HTTP_ANSWER.split(output)[1:]
    assert len(parts) == len(step.outputs), output
    for shown, part in zip(step.outputs, parts, strict=True):
        _MEANT[shown.language](shown.text, part)


def _assert_http(shown: str, output: str) -> None:
    head, _, body = shown.partition("\n\n")
    given_head, _, given_body = output.replace("\r\n", "\n").partition("\n\n")
    given = given_head.splitlines()
    for line in head.splitlines():
        assert any(_is_text(line, each) for each in given), (line, given)
    assert bool(body) == bool(given_body), output
    if body:
        _assert_json(body, given_body)


def _assert_json(shown: str, output: str) -> None:
    wrong = list(_differences(json.loads(shown), json.loads(output), "$"))
    assert not wrong, (wrong, output)


def _assert_text(shown: str, output: str) -> None:
    assert _is_text(shown, output), (shown, output)


_MEANT: Final = {"http": _assert_http, "json": _assert_json, "": _assert_text}


def _differences(shown: Any, given: Any, place: str) -> Iterator[str]:
    if isinstance(shown, dict) and isinstance(given, dict):
        named = set(shown) - {LEFT_OUT}
        if named != (set(given) & named if LEFT_OUT in shown else set(given)):
            yield f"{place} has other members: {sorted(named ^ set(given))}"
        for name in named & set(given):
            yield from _differences(shown[name], given[name], f"{place}.{name}")
    elif isinstance(shown, list) and isinstance(given, list) and len(shown) == len(given):
        for number, pair in enumerate(zip(shown, given, strict=True)):
            yield from _differences(*pair, f"{place}[{number}]")
    elif not (_is_text(shown, given) if isinstance(shown, str) else shown == given):
        yield f"{place} is {given!r}"


def _is_text(shown: str, given: object) -> bool:
    """The same, but for what is left out, and for when it was."""
    if not isinstance(given, str):
        return False
    if _MOMENT.fullmatch(shown):
        return _MOMENT.fullmatch(given) is not None
    pattern = "[^\n]+".join(map(re.escape, _ANY.split(shown)))
    return re.fullmatch(pattern, given) is not None


def rows(guide: Path, heading: str) -> list[list[str]]:
    """The cells of the last table under the heading, without the head of the table."""
    text = guide.read_text(encoding="utf-8")
    part = re.split(r"^#+ ", text.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.M)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def codes(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)
