"""The commands, as `make` runs them, on a checkout of their own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openapi.checkout import seal_of
from tests.openapi.drafts import COMMITTED, Draft, committed

CHECKOUT = COMMITTED.parents[1]
MAXIMUM = "place_order.request.amount_cents.maximum"
SAYS = (
    "place_order: `amount_cents` may be at most 500 now (10000000 before): whoever sends more is"
    " refused."
)
MEANT = f'[[change]]\nid = "{MAXIMUM}"\nwhat = "{SAYS}"\n'
REASON = 'reason = "The gateway takes no more."\n'
CHANGELOG = "# Changes\n\n## Unreleased\n\n## 0.1.0 - 2026-11-21\n\n- Orders.\n"


class Place:
    """A checkout where 0.1.0 was released, with nothing in it but what the commands look at."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "openapi/released").mkdir(parents=True)
        self.draft = Draft(committed())
        self.write("0.1.0")
        content = self.current.read_bytes()
        self.released.write_bytes(content)
        self.seal.write_text(seal_of(content), "utf-8")
        (root / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
        (root / "openapi/intended.toml").write_text("# What is meant.\n\n", "utf-8")

    @property
    def current(self) -> Path:
        return self.root / "openapi/harbor-v1.json"

    @property
    def released(self) -> Path:
        return self.root / "openapi/released/harbor-v1.json"

    @property
    def seal(self) -> Path:
        return self.released.with_suffix(".sha256")

    def write(self, version: str) -> None:
        self.draft.whole["info"]["version"] = version
        self.current.write_text(json.dumps(self.draft.whole), "utf-8")

    def lower_the_maximum(self, version: str = "0.2.0") -> None:
        self.draft.member(self.draft.body("place_order"), "amount_cents")["maximum"] = 500
        self.write(version)

    def note(self, version: str) -> None:
        (self.root / "CHANGELOG.md").write_text(
            CHANGELOG.replace("## 0.1.0", f"## {version} - 2026-12-01\n\n- More.\n\n## 0.1.0"),
            "utf-8",
        )

    def intend(self, text: str) -> None:
        with (self.root / "openapi/intended.toml").open("a", encoding="utf-8") as file:
            file.write(text)

    def intended(self) -> str:
        return (self.root / "openapi/intended.toml").read_text("utf-8")

    def gate(self, *arguments: str | Path) -> tuple[int, str]:
        return _run("openapi.gate", "--checkout", self.root, *arguments)

    def release(self) -> tuple[int, str]:
        return _run("openapi.release", "--checkout", self.root)


def _run(module: str, *arguments: str | Path) -> tuple[int, str]:
    """The exit status, and all that was said."""
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", module, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return ended.returncode, ended.stdout


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_after_a_release_nothing_is_broken(place: Place) -> None:
    assert place.gate() == (0, "No breaking changes since 0.1.0.\n")


def test_a_breaking_change_is_told_with_the_ways_on(place: Place) -> None:
    place.lower_the_maximum()
    code, said = place.gate()
    assert code == 1
    assert said.startswith("1 change breaks clients of 0.1.0:\n\n" + MAXIMUM)
    assert "`amount_cents` may be at most 500 now (10000000 before)" in said
    assert said.endswith(f'\n\n{MEANT}reason = "..."\n')
    assert "docs/versioning.md" in said


def test_an_entry_can_be_pasted_whatever_it_says(place: Place) -> None:
    form = place.draft.body("place_order")
    place.draft.member(form, "currency")["pattern"] = r'^["\\\w]$'
    place.draft.member(form, "capture_method")["enum"].remove("manual")
    place.write("0.2.0")
    _, said = place.gate()
    place.intend(said[said.index("[[change]]") :].replace('"..."', '"It is as it is."'))
    assert place.gate() == (0, "No breaking changes since 0.1.0 but 2 that are meant.\n")


def test_an_entry_covers_no_other_values_than_it_says(place: Place) -> None:
    place.draft.member(place.draft.body("place_order"), "amount_cents")["maximum"] = 400
    place.write("0.2.0")
    place.intend(MEANT + REASON)
    code, said = place.gate()
    assert code == 1
    assert f"`{MAXIMUM}` breaks something else by now. What was meant:\n    {SAYS}\n" in said
    assert "may be at most 400 now" in said


def test_what_is_meant_passes_with_its_reason(place: Place) -> None:
    place.lower_the_maximum()
    place.intend(MEANT + REASON)
    assert place.gate() == (0, "No breaking changes since 0.1.0 but 1 that are meant.\n")


def test_what_else_breaks_is_told_all_the_same(place: Place) -> None:
    place.draft.operation("get_order")["operationId"] = "fetch_order"
    place.lower_the_maximum()
    place.intend(MEANT + REASON)
    code, said = place.gate()
    assert code == 1
    assert "get_order.renamed" in said
    assert MAXIMUM not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MEANT, "change 1 has no reason: say why, in words."),
        (MEANT + 'reason = " "\n', "change 1 has no reason"),
        (MEANT + 'reason = "..."\n', "change 1 has no reason"),
        (MEANT + 'reason = "1 + 1 = 2!"\n', "change 1 has no reason"),
        (MEANT + "reason = 1\n", "change 1 has no reason"),
        (f"[[change]]\n{REASON}", "change 1 has no id: the gate prints it."),
        (f'[[change]]\nid = "{MAXIMUM}"\n{REASON}', "change 1 has no what: the gate prints it."),
        (MEANT + 'reson = "It is so."\n', "`reson` means nothing here"),
        (MEANT.replace("change", "changes") + REASON, "`changes` means nothing here"),
        (f'[change]\nid = "{MAXIMUM}"\n', "write each entry under [[change]]"),
        ("change = [1]\n", "write each entry under [[change]]"),
        (MEANT.replace(MAXIMUM, "no.such") + REASON, "`no.such` breaks nothing"),
        ((MEANT + REASON) * 2, "is there twice"),
        ("[[change\n", "cannot be read"),
    ],
)
def test_an_entry_that_is_not_right_is_refused(place: Place, text: str, says: str) -> None:
    place.lower_the_maximum()
    place.intend(text)
    for code, said in (place.gate(), place.release()):
        assert code == 1
        assert says in said
        assert said.startswith("openapi/intended.toml")


def _copy(place: Place) -> None:
    place.lower_the_maximum("0.1.0")
    place.released.write_bytes(place.current.read_bytes())


def _without_seal(place: Place) -> None:
    place.seal.unlink()


def _without_document(place: Place) -> None:
    place.released.unlink()


def _without_both(place: Place) -> None:
    shutil.rmtree(place.released.parent)


@pytest.mark.parametrize("change", [_copy, _without_seal, _without_document, _without_both])
def test_only_a_release_changes_the_released_document(
    place: Place, change: Callable[[Place], None]
) -> None:
    change(place)
    for code, said in (place.gate(), place.release()):
        assert code == 1
        assert "`git checkout HEAD -- openapi/released` brings it back." in said


def test_what_is_released_has_a_heading(place: Place) -> None:
    (place.root / "CHANGELOG.md").write_text("# Changes\n\n## Unreleased\n", "utf-8")
    code, said = place.gate()
    assert (code, "no heading for 0.1.0" in said) == (1, True)


def test_a_change_log_that_is_missing_is_missed(place: Place) -> None:
    (place.root / "CHANGELOG.md").unlink()
    for answer in (place.gate(), place.release()):
        assert answer == (1, "CHANGELOG.md is missing: each release has a heading in it.\n")


def test_what_is_released_is_not_newer_than_what_is_there(place: Place) -> None:
    place.write("0.0.9")
    code, said = place.gate()
    assert (code, "is 0.1.0, and newer than" in said) == (1, True)


def test_another_document_has_another_version(place: Place) -> None:
    place.draft.operation("get_order")["summary"] = "In other words"
    place.write("0.1.0")
    for code, said in (place.gate(), place.release()):
        assert code == 1
        assert "raise `version` in pyproject.toml, then `make openapi`." in said
    place.write("0.2.0")
    assert place.gate() == (0, "No breaking changes since 0.1.0.\n")


def test_a_release_moves_the_document_forward_and_forgets_what_was_meant(place: Place) -> None:
    place.lower_the_maximum()
    place.note("0.2.0")
    place.intend(MEANT + REASON)
    code, said = place.release()
    assert code == 0
    assert said.splitlines()[0] == "Released 0.2.0. Commit openapi/."
    assert f"Broken, as it was meant: {SAYS} The gateway takes no more.\n" in said
    assert place.intended() == "# What is meant.\n"
    assert json.loads(place.released.read_bytes())["info"]["version"] == "0.2.0"
    assert place.released.read_bytes() == place.current.read_bytes()
    assert place.gate() == (0, "No breaking changes since 0.2.0.\n")


def _break(place: Place) -> None:
    place.lower_the_maximum()


@pytest.mark.parametrize(
    ("version", "prepare", "says"),
    [
        ("0.2.0", lambda place: None, "CHANGELOG.md has no heading for 0.2.0"),
        ("0.1.0", lambda place: None, "0.1.0 is not greater than 0.1.0"),
        ("0.2", lambda place: place.note("0.2"), "info.version is 0.2, and no X.Y.Z"),
        ("0.2.0", _break, "Nothing was released"),
    ],
)
def test_a_release_is_refused(
    place: Place, version: str, prepare: Callable[[Place], Any], says: str
) -> None:
    place.write(version)
    prepare(place)
    before = place.released.read_bytes(), place.intended()
    code, said = place.release()
    assert code == 1
    assert says in said
    assert (place.released.read_bytes(), place.intended()) == before


def test_versions_are_compared_as_numbers(place: Place) -> None:
    place.write("0.10.0")
    place.note("0.10.0")
    assert place.release()[0] == 0
    place.write("0.9.0")
    assert place.gate()[0] == 1


def test_any_two_documents_can_be_compared(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(place.current.read_bytes())
    same = place.gate("--released", other)
    assert same == (0, "No breaking changes.\n")
    place.lower_the_maximum()
    code, said = place.gate("--released", other, "--current", place.current)
    assert (code, MAXIMUM in said) == (1, True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("{", "this is no JSON"),
        ("[]", "no OpenAPI 3 document"),
        ('{"swagger": "2.0"}', "no OpenAPI 3 document"),
        ('{"openapi": "3.1.0"}', "info.version is missing"),
    ],
)
def test_what_cannot_be_read_is_named(
    place: Place, tmp_path: Path, content: str | None, says: str
) -> None:
    other = tmp_path / "other.json"
    if content is not None:
        other.write_text(content, "utf-8")
    code, said = place.gate("--released", other)
    assert code == 2
    assert said.startswith(str(other))
    assert says in said


@pytest.mark.parametrize("module", ["openapi.gate", "openapi.release"])
def test_the_commands_say_what_they_do(module: str) -> None:
    code, said = _run(module, "--help")
    assert code == 0
    assert "openapi/intended.toml" in said
