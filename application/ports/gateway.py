"""The payment gateway."""

from abc import abstractmethod
from typing import Protocol


class PaymentGateway(Protocol):
    @abstractmethod
    def accepts(self, payment_method: str | None) -> bool:
        """Whether this gateway could take money with the token, judged by its form alone:
        no I/O. None stands for the gateway's default."""
