"""What a run found, as a table and as JUnit XML."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from entrypoints.conformance.junit import junit_xml
from entrypoints.conformance.report import (
    Case,
    Report,
    Verdict,
    failed,
    passed,
    report_text,
    skipped,
)


def a_report(*cases: tuple[str, str, Verdict], notes: tuple[str, ...] = ()) -> Report:
    made = [
        Case(scenario=scenario, check=check, verdict=verdict) for scenario, check, verdict in cases
    ]
    return Report(kit="client", cases=tuple(made), notes=notes, seconds=1.25)


def test_the_table_has_scenarios_by_checks_and_says_why() -> None:
    report = a_report(
        ("clean", "one_order", passed("There is one.")),
        ("clean", "calm", passed("1 request.")),
        ("lost_answer", "one_order", failed("There are 2.", "Keep the key.")),
        ("lost_answer", "calm", skipped("Nothing arrived.")),
        ("lost_answer", "retried", skipped("Nothing arrived.")),
        ("outage", "one_order", failed("There are 3.", "Keep the key.")),
        notes=("Something to know.",),
    )
    assert report_text(report) == (
        "scenario     one_order  calm  retried\n"
        "clean        ok         ok    -\n"
        "lost_answer  FAIL       skip  skip\n"
        "outage       FAIL       -     -\n"
        "\n"
        "FAIL  one_order: Keep the key.\n"
        "      lost_answer: There are 2.\n"
        "      outage: There are 3.\n"
        "\n"
        "skip  lost_answer (calm, retried): Nothing arrived.\n"
        "\n"
        "Note: Something to know.\n"
        "\n"
        "6 checks in 1.2 s: 2 passed, 2 failed, 2 skipped."
    )
    assert not report.has_passed


def test_what_was_skipped_has_not_failed() -> None:
    assert a_report(("clean", "calm", skipped("Nothing arrived."))).has_passed


@given(st.text(), st.text(), st.text())
def test_any_text_makes_readable_xml(detail: str, advice: str, note: str) -> None:
    report = a_report(("clean", "calm", failed(detail, advice)), notes=(note,))
    suite = ElementTree.fromstring(junit_xml(report))[0]  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    if detail.isprintable() and advice.isprintable():
        assert failure.get("message") == f"{detail} {advice}".rstrip()
