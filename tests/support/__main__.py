"""Real servers to try Harbor against by hand: `.venv/bin/python -m tests.support`.

Prints shell lines to paste, then serves until Ctrl-C.
"""

import secrets
import shlex
import signal

from tests.support.postgres import running_postgres
from tests.support.redis import running_redis


def main() -> None:
    """Start both servers, print where they are, and stop them on Ctrl-C or SIGTERM."""
    with running_postgres() as database_url, running_redis() as redis_url:
        settings = {
            "HARBOR_DATABASE_URL": database_url,
            "HARBOR_REDIS_URL": redis_url,
            "HARBOR_SECRET_KEY": secrets.token_urlsafe(),
        }
        for name, value in settings.items():
            print(f"export {name}={shlex.quote(value)}")
        print("# Ctrl-C stops both and removes their data.", flush=True)
        # Blocked only now: the servers would inherit it and never hear that they should stop.
        end = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, end)
        signal.sigwait(end)


if __name__ == "__main__":
    main()
