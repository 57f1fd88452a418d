"""What `application/ports/ids.py` promises."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from asyncpg.pgproto import pgproto

from adapters.system import SystemIds
from application.ports.ids import Ids
from domain.api_key_text import ALPHABET
from tests.fakes import FakeIds


def driver_ids() -> Ids:
    return SystemIds(pgproto.UUID)


@pytest.fixture(params=[SystemIds, driver_ids, FakeIds])
def ids(request: pytest.FixtureRequest) -> Ids:
    made: Ids = request.param()
    return made


def test_an_id_is_a_uuid_of_version_7(ids: Ids) -> None:
    made = ids.new()
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    # The standard library's kind, which the database drivers and the JSON of problems know.
    assert isinstance(made, UUID)


def test_ids_increase_within_a_process(ids: Ids) -> None:
    made = [ids.new() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_made_by_many_threads_are_unique() -> None:
    ids = SystemIds()
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: ids.new(), range(10_000)))
    assert len(set(made)) == len(made)


def test_a_secret_has_the_length_and_the_alphabet_that_were_asked_for(ids: Ids) -> None:
    assert len(ids.secret(ALPHABET, 32)) == 32
    assert set(ids.secret("ab", 200)) == {"a", "b"}
    assert ids.secret(ALPHABET, 0) == ""


def test_two_secrets_are_never_the_same(ids: Ids) -> None:
    secrets = [ids.secret(ALPHABET, 32) for _ in range(1000)]
    assert len(set(secrets)) == 1000


def test_a_fraction_lies_from_0_up_to_1(ids: Ids) -> None:
    fractions = [ids.fraction() for _ in range(10_000)]
    assert all(0 <= fraction < 1 for fraction in fractions)
    # A tenth of them is expected in each tenth, with a deviation of 30; ten of those are never
    # exceeded by chance.
    tenths = Counter(int(fraction * 10) for fraction in fractions)
    assert all(abs(tenths[tenth] - 1000) < 300 for tenth in range(10))


def test_every_character_of_the_alphabet_comes_up_about_as_often() -> None:
    # 62,000 draws: each character is expected 1,000 times, with a deviation of 32; ten of those
    # are never exceeded by chance.
    drawn = SystemIds().secret(ALPHABET, 62_000)
    assert all(abs(drawn.count(character) - 1000) < 320 for character in ALPHABET)
