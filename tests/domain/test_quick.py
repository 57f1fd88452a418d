"""A quick class is the frozen dataclass that it was, but for the time of making an object."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any

import pytest

from domain.errors import DomainError
from domain.money import Money
from domain.order import Change, Order, OrderRequest
from domain.quick import quick
from tests.examples import a_placement

MONEY = Money(amount_minor=1999, currency="EUR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    left: int
    right: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    left: int
    right: str | None = None


def test_no_field_can_be_set_or_deleted() -> None:
    for value in (MONEY, a_placement(), a_placement().order):
        for each in fields(value):
            with pytest.raises(FrozenInstanceError):
                setattr(value, each.name, None)
            with pytest.raises(FrozenInstanceError):
                delattr(value, each.name)
    with pytest.raises((AttributeError, TypeError)):
        MONEY.note = "no place for it"  # type: ignore[attr-defined]


def test_it_is_of_its_own_class() -> None:
    placed = a_placement()
    assert (type(placed), type(placed.order)) == (Change, Order)
    assert type(placed.order.request) is OrderRequest


def test_it_has_the_signature_of_the_dataclass() -> None:
    assert inspect.signature(Quick) == inspect.signature(Plain)
    assert inspect.getfullargspec(Quick.__init__) == inspect.getfullargspec(Plain.__init__)


@pytest.mark.parametrize("given", [{}, {"right": ""}, {"left": 1, "other": 2}])
def test_it_takes_its_own_fields_and_no_others(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Quick(**given)


def test_it_takes_no_field_by_place() -> None:
    with pytest.raises(TypeError):
        Quick(1, "")  # type: ignore[call-arg]


def test_defaults_are_filled_in() -> None:
    assert Quick(left=1) == Quick(left=1, right=None)


def test_equality_hash_and_text_are_those_of_the_dataclass() -> None:
    one, plain = Quick(left=1, right="x"), Plain(left=1, right="x")
    assert (hash(one), repr(one)) == (hash(plain), "Quick(left=1, right='x')")
    assert one == Quick(left=1, right="x")
    assert one != Quick(left=2, right="x")


def test_what_is_made_of_it_is_of_its_class() -> None:
    changed = replace(MONEY, amount_minor=1)
    assert (type(changed), changed) == (Money, Money(amount_minor=1, currency="EUR"))
    for same in (copy.copy(MONEY), copy.deepcopy(MONEY), pickle.loads(pickle.dumps(MONEY))):  # noqa: S301
        assert (type(same), same) == (Money, MONEY)
    assert asdict(MONEY) == {"amount_minor": 1999, "currency": "EUR"}


def test_its_rules_are_asked_when_it_is_made() -> None:
    with pytest.raises(DomainError):
        Money(amount_minor=-1, currency="EUR")


def test_only_what_can_be_made_quickly_is_taken() -> None:
    @dataclass(frozen=True, slots=True)
    class ByPlace:
        left: int

    @dataclass(frozen=True, slots=True, kw_only=True)
    class WithAFactory:
        left: list[int] = field(default_factory=list)

    for refused in (ByPlace, WithAFactory):
        with pytest.raises(TypeError, match=refused.__name__):
            quick(refused)
