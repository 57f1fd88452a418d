"""The simulated gateway with answers that take 200 ms: `-m benchmarks.slow_gateway FILE PORT`.

It is the product's own; only the time that `sim_slow` takes is another.
"""

import sys
from pathlib import Path
from typing import Final

import uvicorn

from adapters.simulated.ledger import Ledger
from adapters.simulated.server import create_gateway_app
from adapters.system import SystemClock

ANSWER_SECONDS: Final = 0.2


def main(file: str, port: int) -> None:
    """Serve until it is told to stop."""
    app = create_gateway_app(Ledger(Path(file), SystemClock()), slow_seconds=ANSWER_SECONDS)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
