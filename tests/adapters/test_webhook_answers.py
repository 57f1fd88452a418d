"""What is kept of a receiver's answer."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.webhooks.answers import EXCERPT_BYTES, LONGEST_RETRY_AFTER, excerpt, retry_after

SENT_AT = datetime(2026, 11, 21, 2, 17, 39, tzinfo=UTC)
ENCODED = "MfKQ9r8/KYqrTwjUPD8ILPZIo2La+aSw/Y2XfA6jv0E="
SECRET = "whsec_" + ENCODED
ESCAPES = ("\\u{:04x}", "\\u{:04X}", "%{:02x}", "%{:02X}", "&#{};", "&#x{:X};", "&#x{:04x};")
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def escaped(text: str, form: str) -> str:
    """As writers of JSON, URLs and HTML write what is no letter or digit."""
    return "".join(mark if mark.isalnum() else form.format(ord(mark)) for mark in text)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("5", 5),
        ("0005", 5),
        ("21600", 21_600),
        ("21601", 21_600),
        ("9" * 5_000, 21_600),
        ("0" * 5_000 + "7", 7),
        ("-5", None),
        ("+5", None),
        ("5.5", None),
        ("5 s", None),
        ("٥", None),
        ("soon", None),
        ("Sat, 21 Nov 2026 02:18:39 GMT", 60),
        ("Saturday, 21-Nov-26 02:18:39 GMT", 60),
        ("Sat Nov 21 02:18:39 2026", 60),
        ("Sat, 21 Nov 2026 03:18:39 +0100", 60),
        ("Sat, 21 Nov 2026 02:18:39 -0000", 60),
        ("Sat, 21 Nov 2026 02:17:39 GMT", 0),
        ("Sat, 21 Nov 2026 02:17:38 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 21_600),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 21_600),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        ("Sat, 31 Feb 2026 02:17:39 GMT", None),
        ("Sat, 21 Nov 2026 25:17:39 GMT", None),
        ("Sat, 21 Nov 2026 02:17:39 +9999", None),
        ("Sat, 21 Nov 99999999999 02:17:39 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: int | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(header, SENT_AT) == expected
    assert retry_after(header, SENT_AT.astimezone(timezone(timedelta(hours=5)))) == expected


@given(st.text(max_size=50) | st.text("0123456789:, -+GMTJanSat", max_size=50))
def test_whatever_it_asks_for_is_nothing_or_within_bounds(header: str) -> None:
    pause = retry_after(header, SENT_AT)
    assert pause is None or timedelta(0) <= pause <= LONGEST_RETRY_AFTER


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", ""),
        ("grüezi\n\tda".encode(), "grüezi\n\tda"),
        (b"a\x00b\x1b[31mc\r\nd\x7fe\x08", "ab[31mc\nde"),
        ("a\x85b\x9bc".encode(), "abc"),
        (b"a\xffb\xc3", "a\ufffdb\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"x" * 3_000, "x" * EXCERPT_BYTES),
        (b"x" + "ü".encode() * 3_000, "x" + "ü" * 1_023),
    ],
)
def test_an_excerpt_is_a_little_harmless_text(body: bytes, shown: str) -> None:
    assert excerpt(body, [], []) == shown


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        ENCODED,
        ENCODED.rstrip("="),
        SECRET.rstrip("="),
        SECRET.replace("/", "\\/"),
        SIGNATURE,
        SIGNATURE.removeprefix("v1,"),
        SIGNATURE.removeprefix("v1,").replace("/", "\\/"),
        *(escaped(SECRET, form) for form in ESCAPES),
        *(escaped(SIGNATURE, form) for form in ESCAPES),
        escaped(SIGNATURE.removeprefix("v1,"), "%{:02X}"),
        SECRET[:10] + "\x00" + SECRET[10:],
        SECRET[:10] + "\r" + SECRET[10:],
    ],
)
def test_secrets_and_signatures_are_removed_however_they_are_written(written: str) -> None:
    body = f'{{"it": "{written}", "again": "{written}"}}'.encode()
    assert excerpt(body, [SECRET], [SIGNATURE]) == '{"it": "[removed]", "again": "[removed]"}'


@pytest.mark.parametrize("before", range(EXCERPT_BYTES - len(SECRET) - 2, EXCERPT_BYTES + 2))
def test_no_half_of_a_secret_stays_where_the_excerpt_ends(before: int) -> None:
    shown = excerpt(b"-" * before + SECRET.encode() + b"-" * 100, [SECRET], [])
    assert len(shown) == EXCERPT_BYTES
    assert not set(shown) & set(SECRET) - set("[removed]")


def test_every_secret_and_every_signature_is_removed() -> None:
    other = "whsec_" + "B" * 43 + "="
    signatures = [SIGNATURE, "v1," + "C" * 43 + "="]
    body = " ".join([other, SECRET, *signatures, SECRET]).encode()
    assert excerpt(body, [SECRET, other], signatures) == " ".join(["[removed]"] * 5)


@given(st.binary(max_size=5_000))
def test_an_excerpt_of_any_bytes_can_be_stored(body: bytes) -> None:
    shown = excerpt(body, [SECRET], [SIGNATURE])
    assert len(shown.encode()) <= EXCERPT_BYTES
    assert all(mark in "\n\t" or mark.isprintable() or ord(mark) >= 0xA0 for mark in shown)
