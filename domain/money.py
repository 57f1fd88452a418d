"""Money: an integer count of a currency's minor unit."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from domain.errors import DomainError
from domain.quick import quick

MAX_AMOUNT_MINOR: Final = 2**63 - 1
"""The largest amount a signed 64-bit column can hold."""

_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
    CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD
    LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
    SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW
    ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

MINOR_UNIT_EXPONENTS: Final = {
    code: exponent for exponent, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}
"""ISO 4217 code -> number of decimal digits. Codes that have no minor unit (metals, testing) are
absent: nobody can be billed in them."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True, order=False)
class Money:
    """`amount_minor` of `currency`, for example 1999 of "EUR" for 19.99 euros.

    Raises DomainError `currency_unknown` or `amount_out_of_range`.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in MINOR_UNIT_EXPONENTS:
            raise DomainError(
                "currency_unknown",
                "The currency is not an ISO 4217 code of a currency with minor units.",
                "currency",
            )
        if not 0 <= self.amount_minor <= MAX_AMOUNT_MINOR:
            raise DomainError(
                "amount_out_of_range", "The amount does not fit a signed 64-bit integer."
            )

    def __add__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(amount_minor=self.amount_minor + other.amount_minor, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(amount_minor=self.amount_minor - other.amount_minor, currency=self.currency)

    def __le__(self, other: "Money") -> bool:
        self._require_same_currency(other)
        return self.amount_minor <= other.amount_minor

    def __lt__(self, other: "Money") -> bool:
        self._require_same_currency(other)
        return self.amount_minor < other.amount_minor

    @property
    def exponent(self) -> int:
        """How many decimal digits the minor unit stands for."""
        return MINOR_UNIT_EXPONENTS[self.currency]

    @property
    def is_zero(self) -> bool:
        return self.amount_minor == 0

    @classmethod
    @cache
    def zero(cls, currency: str) -> "Money":
        return cls(amount_minor=0, currency=currency)

    def __str__(self) -> str:
        """A person's reading, for example "19.99 EUR" or "500 JPY"."""
        if self.exponent == 0:
            return f"{self.amount_minor} {self.currency}"
        major, minor = divmod(self.amount_minor, 10**self.exponent)
        return f"{major}.{minor:0{self.exponent}d} {self.currency}"

    def _require_same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise DomainError("currency_mismatch", "Amounts of two currencies do not mix.")
