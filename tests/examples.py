"""Values to start from: ordinary ones to change a little, and Hypothesis strategies for the rest.

Ids are real UUIDv7, so that tests may share a database.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from adapters.system import SystemIds
from application.fingerprint import fingerprint
from application.json_text import render
from application.new_api_key import ApiKeyMint, ApiKeyRequest, NewApiKey
from application.order_document import order_document
from application.ports.idempotency import Record, StoredAnswer
from domain.api_key_text import KeyMode
from domain.merchant import ALL_SCOPES, ApiKey, ApiKeyChange, Merchant, Scope
from domain.money import MAX_AMOUNT_MINOR, MINOR_UNIT_EXPONENTS, Money
from domain.order import (
    MAX_ORDER_AMOUNT_MINOR,
    CaptureMethod,
    Change,
    Order,
    OrderRequest,
    OrderStatus,
    PlacementIds,
)
from domain.payment import Attempt, Failure, OperationKind, OperationState, PaymentOperation
from tests.fakes import NOW

ids = SystemIds()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROUTE = "POST /v1/orders"
GATEWAY = "simulated"


def a_request(**changes: Any) -> OrderRequest:
    request = OrderRequest(
        customer_id="acme",
        amount=Money(amount_minor=1999, currency="EUR"),
        metadata={"purchase order": "4711"},
    )
    return replace(request, **changes)


def a_placement(
    merchant_id: UUID | None = None,
    key: str = "a key",
    *,
    request: OrderRequest | None = None,
    now: datetime = NOW,
    order_id: UUID | None = None,
) -> Change:
    return Order.place(
        request or a_request(),
        merchant_id=merchant_id or ids.new(),
        idempotency_key=key,
        ids=PlacementIds(order=order_id or ids.new(), operation=ids.new(), event=ids.new()),
        gateway=GATEWAY,
        now=now,
    )


def document_of(order: Order) -> bytes:
    return render(order_document(order))


def a_record(
    merchant_id: UUID,
    key: str = "a key",
    *,
    change: Change | None = None,
    body: Mapping[str, object] | None = None,
    **answer_changes: Any,
) -> Record:
    """A record of an order; `body` is what was sent, `answer_changes` are members of its answer."""
    change = change or a_placement(merchant_id, key)
    document = document_of(change.order)
    answer = StoredAnswer(
        merchant_id=merchant_id,
        key=key,
        route=ROUTE,
        fingerprint=fingerprint(ROUTE, body or {"amount_cents": 1999}),
        resource_type="order",
        resource_id=change.order.id,
        status=201,
        location=f"/v1/orders/{change.order.id}",
        body=document,
        sealed=False,
        created_at=NOW,
        expires_at=NOW + timedelta(days=30),
    )
    return Record(answer=replace(answer, **answer_changes), change=change, document=document)


def a_key_record(
    merchant_id: UUID, key: str, issued: ApiKey, retired: ApiKey | None = None
) -> Record:
    """A record of an API key, as a rotation makes it."""
    answer = a_record(merchant_id, key).answer
    return Record(
        answer=replace(
            answer,
            resource_type="api_key",
            resource_id=issued.id,
            location=f"/v1/api-keys/{issued.id}",
            body=b"\x01sealed",
            sealed=True,
        ),
        change=ApiKeyChange(issued=issued, retired=retired),
    )


def a_merchant() -> Merchant:
    return Merchant(id=ids.new(), name="Acme", created_at=NOW)


def a_new_key(merchant_id: UUID, now: datetime = NOW, **changes: Any) -> NewApiKey:
    mint = ApiKeyMint(ids=ids, mode=KeyMode.TEST)
    new = mint(merchant_id, ApiKeyRequest(name="a key", scopes=ALL_SCOPES), now)
    return replace(new, key=replace(new.key, **changes))


# What PostgreSQL and JSON can both hold: the HTTP side refuses NUL and lone surrogates.
def texts(*, min_size: int = 0, max_size: int = 40) -> st.SearchStrategy[str]:
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.text(characters, min_size=min_size, max_size=max_size)


currencies = st.sampled_from(sorted(MINOR_UNIT_EXPONENTS))
amounts = st.integers(0, MAX_AMOUNT_MINOR) | st.integers(0, 10) | st.just(MAX_AMOUNT_MINOR)
_microseconds = st.integers(-(2**55), 2**57)
moments = _microseconds.map(lambda count: EPOCH + timedelta(microseconds=count))
"""From the year 828 to 6537; shrinks towards 1970."""
uuids = st.builds(ids.new)
capture_methods = st.sampled_from(CaptureMethod)


def monies(
    currency: str, *, least: int = 0, most: int = MAX_AMOUNT_MINOR
) -> st.SearchStrategy[Money]:
    return st.integers(least, most).map(lambda minor: Money(amount_minor=minor, currency=currency))


@st.composite
def requests(draw: st.DrawFn) -> OrderRequest:
    return OrderRequest(
        customer_id=draw(texts(min_size=1, max_size=128)),
        amount=draw(monies(draw(currencies), least=1, most=MAX_ORDER_AMOUNT_MINOR)),
        invoice_id=draw(st.none() | texts(max_size=128)),
        description=draw(st.none() | texts()),
        payment_method=draw(st.none() | texts(max_size=255)),
        capture_method=draw(capture_methods),
        # Even NUL: metadata is kept as JSON, which escapes it.
        metadata=draw(st.dictionaries(texts(), texts() | st.just("\0"), max_size=5)),
    )


failures = st.builds(Failure, code=texts(max_size=64), message=texts())


@st.composite
def orders(draw: st.DrawFn, merchant_id: UUID) -> Order:
    """Any order that the table takes, whether or not a life could lead there."""
    request = draw(requests())
    captured = draw(monies(request.amount.currency, most=request.amount.amount_minor))
    refunded = draw(monies(request.amount.currency, most=captured.amount_minor))
    left = captured.amount_minor - refunded.amount_minor
    return Order(
        id=ids.new(),
        merchant_id=merchant_id,
        idempotency_key=str(ids.new()),
        request=request,
        status=draw(st.sampled_from(OrderStatus)),
        captured=captured,
        refunded=refunded,
        refunding=draw(monies(request.amount.currency, most=left)),
        failure=draw(st.none() | failures),
        payment_id=draw(st.none() | texts(max_size=255)),
        risk_score=draw(st.integers(0, 100)),
        version=draw(st.integers(1, 2**31 - 1)),
        created_at=draw(moments),
        updated_at=draw(moments),
    )


@st.composite
def operations(draw: st.DrawFn, order: Order) -> PaymentOperation:
    return PaymentOperation(
        id=ids.new(),
        merchant_id=order.merchant_id,
        order_id=order.id,
        kind=draw(st.sampled_from(OperationKind)),
        amount=draw(monies(draw(currencies), least=1)),
        gateway=draw(texts(max_size=32)),
        payment_method=draw(st.none() | texts(max_size=255)),
        payment_id=draw(st.none() | texts(max_size=255)),
        reason=draw(st.none() | texts()),
        failure=draw(st.none() | failures),
        problem=draw(st.none() | texts(max_size=64)),
        state=draw(st.sampled_from(OperationState)),
        fence=draw(st.integers(0, 2**31 - 1)),
        attempts=draw(st.integers(0, 2**31 - 1)),
        due_at=draw(moments),
        first_sent_at=draw(st.none() | moments),
        lease_expires_at=draw(st.none() | moments),
        created_at=draw(moments),
        updated_at=draw(moments),
    )


@st.composite
def attempts(draw: st.DrawFn, operation: PaymentOperation) -> Attempt:
    return Attempt(
        operation_id=operation.id,
        merchant_id=operation.merchant_id,
        number=draw(st.integers(0, 2**31 - 1)),
        started_at=draw(moments),
        ended_at=draw(moments),
        outcome=draw(texts(max_size=16)),
        code=draw(st.none() | texts(max_size=64)),
    )


@st.composite
def answers(draw: st.DrawFn, merchant_id: UUID) -> StoredAnswer:
    route = draw(texts())
    members = draw(st.dictionaries(texts(), st.integers(), max_size=5))
    return StoredAnswer(
        merchant_id=merchant_id,
        key=f"{ids.new()} {draw(texts(max_size=200))}",
        route=route,
        fingerprint=fingerprint(route, members),
        resource_type=draw(texts(max_size=32)),
        resource_id=ids.new(),
        status=draw(st.integers(200, 299)),
        location=draw(texts()),
        body=draw(st.none() | st.binary(max_size=200)),
        sealed=draw(st.booleans()),
        created_at=draw(moments),
        expires_at=draw(moments),
    )


@st.composite
def api_keys(draw: st.DrawFn, merchant_id: UUID) -> ApiKey:
    return ApiKey(
        id=ids.new(),
        merchant_id=merchant_id,
        name=draw(st.none() | texts(max_size=100)),
        prefix=draw(texts(max_size=20)),
        digest=ids.new().bytes + draw(st.binary(min_size=16, max_size=16)),
        scopes=draw(st.frozensets(st.sampled_from(Scope))),
        created_at=draw(moments),
        expires_at=draw(st.none() | moments),
        revoked_at=draw(st.none() | moments),
        last_used_at=draw(st.none() | moments),
    )
