"""What is kept of a receiver's answer. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from domain.webhook_signature import PREFIX, VERSION

EXCERPT_BYTES: Final = 2_048
LONGEST_RETRY_AFTER: Final = timedelta(hours=6)
REMOVED: Final = "[removed]"

# They make a terminal do things, and PostgreSQL stores no NUL.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SECONDS: Final = re.compile(r"[0-9]+")


def excerpt(body: bytes, secrets: Iterable[str], signatures: Iterable[str]) -> str:
    """The beginning of the body, at most EXCERPT_BYTES in UTF-8, fit to be stored and shown.

    A receiver that shows what it was sent, or its own settings, tells its secret to whoever reads
    deliveries. It is looked for before anything is cut off, lest half of it stay.
    """
    text = _CONTROL.sub("", body.decode(errors="replace"))
    for shown in [*_forms(PREFIX, secrets), *_forms(f"{VERSION},", signatures)]:
        text = shown.sub(REMOVED, text)
    return text.encode()[:EXCERPT_BYTES].decode(errors="ignore")


def retry_after(header: str | None, sent_at: datetime) -> timedelta | None:
    """The pause that `Retry-After` asks for, in seconds or as a date, from 0 to
    LONGEST_RETRY_AFTER; None when it says nothing. RFC 9110, section 10.2.3."""
    if header is None:
        return None
    if _SECONDS.fullmatch(header):
        # Far more digits than a timedelta, or int(), would take may come.
        seconds = int(header.lstrip("0")[:9] or "0")
        return min(timedelta(seconds=seconds), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(header)
        pause = (until if until.tzinfo else until.replace(tzinfo=UTC)) - sent_at
    except (ValueError, OverflowError):
        return None
    return min(max(pause, timedelta(0)), LONGEST_RETRY_AFTER)


def _forms(prefix: str, texts: Iterable[str]) -> Iterable[re.Pattern[str]]:
    """With the prefix or without, with the padding or without, and with what is no letter or digit
    as it may be escaped."""
    for text in texts:
        encoded = "".join(map(_written, text.removeprefix(prefix).rstrip("=")))
        before = "".join(map(_written, prefix))
        yield re.compile(f"(?:{before})?{encoded}{_written('=')}*")


def _written(mark: str) -> str:
    """A pattern of the character in JSON, URLs and HTML."""
    if mark.isalnum():
        return mark
    code = f"{ord(mark):x}"
    escaped = rf"\\u00{code}|%{code}|&#0*{ord(mark)};|&#x0*{code};"
    return rf"(?:\\?{re.escape(mark)}|(?i:{escaped}))"
