"""A report as JUnit XML, in the form that CI systems read.

https://github.com/testmoapp/junitxml describes it; there is no standard.
"""

import re
from typing import Final
from xml.etree import ElementTree

from entrypoints.conformance.report import Case, Report, Result

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document can hold, not even escaped (section 2.2)."""


def junit_xml(report: Report) -> bytes:
    """One suite; each check is a test case, its scenario the class."""
    name = f"harbor conformance {report.kit}"
    counts = {
        "tests": str(len(report.cases)),
        "failures": str(report.count(Result.FAILED)),
        "errors": "0",
        "skipped": str(report.count(Result.SKIPPED)),
        "time": f"{report.seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": name, **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts})
    for case in report.cases:
        _add(suite, case, report.kit)
    if report.notes:
        ElementTree.SubElement(suite, "system-out").text = _text("\n".join(report.notes))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _add(suite: ElementTree.Element, case: Case, kit: str) -> None:
    named = {
        "classname": f"harbor.conformance.{kit}.{case.scenario}",
        "name": case.check,
        "time": f"{case.seconds:.3f}",
    }
    element = ElementTree.SubElement(suite, "testcase", named)
    message = _text(case.message)
    match case.result:
        case Result.FAILED:
            failure = {"message": message, "type": case.check}
            ElementTree.SubElement(element, "failure", failure).text = message
        case Result.SKIPPED:
            ElementTree.SubElement(element, "skipped", {"message": message})
        case Result.PASSED:
            pass


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
