"""The arrows between the rooms point one way."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def test_every_import_contract_is_kept(tmp_path: Path) -> None:
    command: list[str | Path] = [LINT_IMPORTS, "--no-logo", "--cache-dir", str(tmp_path)]
    ended = subprocess.run(  # noqa: S603 - our own tool
        command, cwd=CHECKOUT, capture_output=True, encoding="utf-8", check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", 0 broken" in ended.stdout
