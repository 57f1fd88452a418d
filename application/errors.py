"""Why a use case could not do what was asked. `code` is the problem document's `code`."""

from uuid import UUID


class ApplicationError(Exception):
    """`detail` is one sentence for a person that says what to do; it never repeats the input."""

    code: str

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Unauthenticated(ApplicationError):
    """The credential is missing its proof: unknown, revoked, expired or of the other mode."""

    code = "api_key_invalid"


class ScopeMissing(ApplicationError):
    code = "scope_missing"


class OrderNotFound(ApplicationError):
    """No such order, or another merchant's: the two cannot be told apart."""

    code = "order_not_found"

    def __init__(self) -> None:
        super().__init__("There is no order with this id.")


class OrderChanged(ApplicationError):
    """The order is at another version than the caller's If-Match names."""

    code = "version_mismatch"

    def __init__(self) -> None:
        super().__init__(
            "The order has changed since the version in If-Match. Fetch it, decide again, and send"
            " its new ETag."
        )


class WebhookEndpointNotFound(ApplicationError):
    """No such endpoint, or another merchant's: the two cannot be told apart."""

    code = "webhook_endpoint_not_found"

    def __init__(self) -> None:
        super().__init__("There is no webhook endpoint with this id.")


class WebhookDeliveryNotFound(ApplicationError):
    """No such delivery, or another merchant's: the two cannot be told apart."""

    code = "webhook_delivery_not_found"

    def __init__(self) -> None:
        super().__init__("There is no webhook delivery with this id.")


class WebhookEndpointDisabled(ApplicationError):
    code = "webhook_endpoint_disabled"

    def __init__(self) -> None:
        super().__init__("The webhook endpoint is disabled: enable it first.")


class TooManyDeliveries(ApplicationError):
    code = "too_many_deliveries"


class WebhookUrlRefused(ApplicationError):
    code = "webhook_url_refused"


class TooManyWebhookEndpoints(ApplicationError):
    code = "too_many_webhook_endpoints"


class RefundNotFound(ApplicationError):
    """No such refund, or another merchant's: the two cannot be told apart."""

    code = "refund_not_found"

    def __init__(self) -> None:
        super().__init__("There is no refund with this id.")


class OperationNotSettled(ApplicationError):
    """A person may not say, or not yet, or not so, what became of the operation."""

    code = "operation_not_settled"


class ApiKeyNotFound(ApplicationError):
    code = "api_key_not_found"

    def __init__(self) -> None:
        super().__init__("There is no API key with this id.")


class MerchantNotFound(ApplicationError):
    code = "merchant_not_found"

    def __init__(self) -> None:
        super().__init__("There is no merchant with this id.")


class IdempotencyKeyReused(ApplicationError):
    """The key stands for another request. `differing` names the top-level members that differ;
    it is empty when the route does."""

    code = "idempotency_key_reused"

    def __init__(self, differing: tuple[str, ...]) -> None:
        members = ", ".join(differing)
        what = f"with other values of: {members}" if differing else "on another route"
        super().__init__(
            f"This Idempotency-Key was already used {what}. Use a new key for a new request."
        )
        self.differing = differing


class IdempotencyKeyExpired(ApplicationError):
    """The key was used, and its answer is no longer kept."""

    code = "idempotency_key_expired"

    def __init__(self, resource_type: str, resource_id: UUID) -> None:
        super().__init__(
            "This Idempotency-Key was used and its answer is no longer kept. It will not run"
            f" again: fetch the {resource_type} {resource_id} that it was about, or use a new key."
        )
        self.resource_id = resource_id


class SecretNoLongerAvailable(ApplicationError):
    """The answer held a secret, which is kept for a day only."""

    code = "secret_no_longer_available"

    def __init__(self, resource_type: str, resource_id: UUID) -> None:
        super().__init__(
            f"The secret of the {resource_type} {resource_id} is no longer kept. Rotate it to get"
            " a new one."
        )
        self.resource_id = resource_id
