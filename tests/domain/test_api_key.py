"""When an API key works, and how it ends."""

from datetime import datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import DomainError
from domain.merchant import ApiKey
from tests.examples import a_new_key, api_keys, ids, moments
from tests.fakes import NOW

MERCHANT = ids.new()
SUCCESSOR = ids.new()
overlaps = st.timedeltas(timedelta(0), timedelta(days=30))
# Far enough from the calendar's end that an overlap can be added.
nows = moments.filter(lambda moment: moment.year < 9999)


@given(api_keys(MERCHANT), moments)
def test_a_key_works_until_it_expires_or_is_revoked(key: ApiKey, now: datetime) -> None:
    expired = key.expires_at is not None and key.expires_at <= now
    assert key.is_active(now) == (key.revoked_at is None and not expired)


def test_a_key_no_longer_works_at_the_very_moment_it_expires() -> None:
    key = a_new_key(MERCHANT, expires_at=NOW).key
    assert key.is_active(NOW - timedelta(microseconds=1))
    assert not key.is_active(NOW)


@given(api_keys(MERCHANT), nows, nows)
def test_revoking_counts_from_the_first_time(key: ApiKey, first: datetime, then: datetime) -> None:
    revoked = key.revoke(first)
    assert not revoked.is_active(first)
    assert revoked.revoke(then) == revoked
    assert revoked.revoked_at == (key.revoked_at or first)


@given(api_keys(MERCHANT), nows, overlaps)
def test_a_retired_key_works_for_the_overlap_and_never_longer_than_before(
    key: ApiKey, now: datetime, overlap: timedelta
) -> None:
    assume(key.is_active(now))
    retired = key.retire(SUCCESSOR, now, overlap)
    assert retired.replaced_by == SUCCESSOR
    assert retired.expires_at is not None
    assert retired.expires_at == min(now + overlap, key.expires_at or now + overlap)
    assert retired.is_active(now) == (overlap > timedelta(0))


@given(api_keys(MERCHANT), nows, overlaps)
def test_a_key_that_has_ended_has_no_successor(
    key: ApiKey, now: datetime, overlap: timedelta
) -> None:
    assume(not key.is_active(now))
    with pytest.raises(DomainError) as refusal:
        key.retire(SUCCESSOR, now, overlap)
    assert refusal.value.code == "api_key_inactive"


@given(api_keys(MERCHANT), nows, overlaps)
def test_a_key_that_was_replaced_has_no_second_successor(
    key: ApiKey, now: datetime, overlap: timedelta
) -> None:
    assume(key.is_active(now))
    retired = key.retire(SUCCESSOR, now, overlap)
    with pytest.raises(DomainError) as refusal:
        retired.retire(SUCCESSOR, now, overlap)
    assert refusal.value.code == "api_key_inactive"
