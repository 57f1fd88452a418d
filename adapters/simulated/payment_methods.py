"""The payment methods of the simulated gateway: each is a way in which a gateway may behave."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from domain.payment import Approved, Declined, Failure

SLOW_SECONDS: Final = 3.0
"""How long a slow answer takes."""


class Mishap(Enum):
    """Instead of an answer."""

    SILENCE = auto()
    """No answer comes, ever."""
    ERROR = auto()
    """The gateway says that it has failed."""
    KEY_REUSED = auto()
    """The key stands for another request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the books say, said at once or slowly."""

    outcome: Approved | Declined
    is_slow: bool = False


Reply = Answer | Mishap


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """Of the calls with one key, counted from 1: the first `ignored` are neither carried out nor
    answered, the first `failing` are refused with an error, and the first `unanswered` are carried
    out without a word. `declined` is why it never pays, None where it does."""

    ignored: int = 0
    failing: int = 0
    unanswered: int = 0
    is_slow: bool = False
    declined: Failure | None = None

    def before(self, call: int) -> Mishap | None:
        """What keeps the call from being carried out."""
        if call <= self.ignored:
            return Mishap.SILENCE
        return Mishap.ERROR if call <= self.failing else None

    def answer(self, call: int, outcome: Approved | Declined) -> Reply:
        """What the caller hears of what was carried out, by this call or by one before it."""
        if call <= self.unanswered:
            return Mishap.SILENCE
        return Answer(outcome, self.is_slow)


_CARD_DECLINED: Final = Failure(code="card_declined", message="The card was declined.")
_INSUFFICIENT_FUNDS: Final = Failure(
    code="insufficient_funds", message="The account has not enough money."
)

PLAIN: Final = PaymentMethod()

PAYMENT_METHODS: Final[Mapping[str, PaymentMethod]] = MappingProxyType(
    {
        "sim_approve": PLAIN,
        "sim_decline": PaymentMethod(declined=_CARD_DECLINED),
        "sim_insufficient_funds": PaymentMethod(declined=_INSUFFICIENT_FUNDS),
        "sim_slow": PaymentMethod(is_slow=True),
        "sim_timeout_before": PaymentMethod(ignored=1),
        "sim_timeout_after": PaymentMethod(unanswered=1),
        "sim_error": PaymentMethod(failing=3),
        "sim_unknown_then_declined": PaymentMethod(unanswered=1, declined=_CARD_DECLINED),
    }
)

_UNKNOWN: Final = PaymentMethod(
    declined=Failure(
        code="payment_method_unknown", message="The gateway does not know the payment method."
    )
)


def is_accepted(name: str | None) -> bool:
    return name is None or name in PAYMENT_METHODS


def payment_method(name: str | None) -> PaymentMethod:
    """The one of that name; for None the gateway's default. An unknown one never pays."""
    return PLAIN if name is None else PAYMENT_METHODS.get(name, _UNKNOWN)
