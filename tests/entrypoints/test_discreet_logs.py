"""What PostgreSQL adds of a row to an error stays out of the logs."""

import logging

import pytest

from entrypoints.logs import configure_logs

ROW = "(1, hello\nnote: Alice owes ninetyseven)"


def _fail(detail: str) -> None:
    raise RuntimeError(f"duplicate key\nDETAIL:  {detail}\n[SQL: INSERT INTO orders]")


def _fail_in_a_group(detail: str) -> None:
    try:
        _fail(detail)
    except RuntimeError as error:
        raise ExceptionGroup("several", [error]) from None


@pytest.mark.parametrize("fail", [_fail, _fail_in_a_group])
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_the_statement_and_no_values(
    capsys: pytest.CaptureFixture[str],
    log_format: str,
    fail: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    configure_logs("json" if log_format == "json" else "console")
    try:
        assert callable(fail)
        fail(f"Failing row contains {ROW}")
    except (RuntimeError, ExceptionGroup):
        logging.getLogger("harbor.test").exception("it failed")
    logged = capsys.readouterr().err
    assert "duplicate key" in logged
    assert "INSERT INTO orders" in logged
    for value in ("hello", "Alice", "ninetyseven"):
        assert value not in logged
