"""What is told while the benchmark runs."""

import sys
import time

_STARTED = time.monotonic()


def say(text: str) -> None:
    """One line on standard output, with the time since the start."""
    minutes, seconds = divmod(int(time.monotonic() - _STARTED), 60)
    sys.stdout.write(f"[{minutes:2d}:{seconds:02d}] {text}\n")
    sys.stdout.flush()


def elapsed_seconds() -> float:
    """Since the start."""
    return time.monotonic() - _STARTED
