"""Python's garbage collector, for a process that serves."""

import gc
from typing import Final

_COLLECTED_AFTER: Final = (10_000, 20, 50)
"""So many new objects, collections of the youngest, and of the middle ones."""


def collect_seldom() -> None:
    """What is alive after start-up stays: the collector need not walk it again and again, nor look
    for circles after every 700 objects, which are four requests: we make next to none."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)
