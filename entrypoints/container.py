"""The composition root: the only file that names adapters, and all that the system can do."""

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Callable, Dependency, List, Provider, Selector, Singleton

from adapters.memory.api_keys import RememberedApiKeys
from adapters.memory.idempotency import SingleFlightIdempotency
from adapters.memory.replays import RememberedAnswers
from adapters.simulated.gateway import SimulatedGateway, SimulatedGatewayProbe
from adapters.simulated.ledger import Ledger
from adapters.sql.api_keys import SqlApiKeys
from adapters.sql.database import Database, PoolLimits
from adapters.sql.deliveries import SqlDeliveries
from adapters.sql.delivery_turns import SqlDeliveryTurns
from adapters.sql.event_sequencer import SqlEventSequencer
from adapters.sql.events import SqlEvents
from adapters.sql.group_commit import GroupLimits
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.merchants import SqlMerchants
from adapters.sql.migrate import migrate
from adapters.sql.orders import SqlOrders
from adapters.sql.payment_history import SqlPaymentHistory
from adapters.sql.payment_operations import SqlPaymentOperations
from adapters.sql.readiness import ClockProbe, DatabaseProbe, DurabilityProbe
from adapters.sql.webhook_endpoints import SqlWebhookEndpoints
from adapters.system import SystemClock, SystemIds
from adapters.vault import AesGcmVault
from adapters.webhooks.sender import HttpWebhookSender
from application.authenticate import Authenticate
from application.cancel_order import CancelOrder
from application.capture_order import CaptureOrder
from application.change_order import ChangeOrder
from application.change_webhook_endpoint import ChangeWebhookEndpoint
from application.check_readiness import CheckReadiness
from application.create_merchant import CreateMerchant
from application.create_webhook_endpoint import CreateWebhookEndpoint
from application.delete_webhook_endpoint import DeleteWebhookEndpoint
from application.deliver_webhooks import DeliverWebhooks
from application.drop_expired_answers import DropExpiredAnswers
from application.find_stuck_operations import FindStuckOperations
from application.follow_events import FollowEvents
from application.get_delivery import GetDelivery
from application.get_order import GetOrder
from application.get_refund import GetRefund
from application.get_webhook_endpoint import GetWebhookEndpoint
from application.grant_api_key import GrantApiKey
from application.issue_api_key import IssueApiKey
from application.list_api_keys import ListApiKeys
from application.list_deliveries import ListDeliveries
from application.list_events import ListEvents
from application.list_operations import ListOperations
from application.list_orders import ListOrders
from application.list_webhook_endpoints import ListWebhookEndpoints
from application.look_up_idempotency_key import LookUpIdempotencyKey
from application.new_api_key import ApiKeyMint
from application.number_events import NumberEvents
from application.once import Once
from application.place_order import PlaceOrder
from application.ports.api_keys import ApiKeys
from application.ports.clock import Clock
from application.ports.deliveries import Deliveries
from application.ports.delivery_turns import DeliveryTurns
from application.ports.events import Events, EventSequencer
from application.ports.gateway import PaymentGateway
from application.ports.idempotency import IdempotencyStore
from application.ports.ids import Ids
from application.ports.merchants import Merchants
from application.ports.orders import Orders
from application.ports.payment_history import PaymentHistory
from application.ports.readiness import ReadinessProbe
from application.ports.vault import Vault
from application.ports.webhook_endpoints import WebhookEndpoints
from application.reconcile import Reconcile
from application.redeliver import Redeliver
from application.refund_order import RefundOrder
from application.revoke_api_key import RevokeApiKey
from application.rotate_api_key import RotateApiKey
from application.rotate_webhook_secret import RotateWebhookSecret
from application.run_payment_operations import RunPaymentOperations, WorkTimes
from application.send_test_event import SendTestEvent
from application.settle_operation import SettleOperation
from application.show_order import ShowOrder
from application.webhook_secrets import WebhookSecrets
from domain.api_key_text import KeyMode
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from adapters.redis.parts import RedisParts
    from adapters.simulated.remote import RemoteSimulatedGateway
    from adapters.stripe.client import StripeClient


_FOR_RECORDINGS: Final = 0.1
"""The part of a stop's time that is left for them when the requests have had theirs."""

_log = logging.getLogger("harbor.container")


def _with_redis(settings: Settings, *, inner: IdempotencyStore, clock: Clock) -> "RedisParts":
    # Imported when used: without Redis a process is 11 MB smaller and starts sooner.
    from adapters.redis.parts import RedisParts

    return RedisParts.build(
        str(settings.redis_url),
        inner=inner,
        clock=clock,
        secret=settings.secret,
        kept_seconds=settings.replay_cache_seconds,
    )


def _ids_of_the_driver() -> Ids:
    # Imported when used: on SQLite a process does without PostgreSQL's driver.
    from asyncpg.pgproto import pgproto

    return SystemIds(pgproto.UUID)


def _remote_gateway(settings: Settings) -> "RemoteSimulatedGateway":
    # Imported when used, like the others below: most processes speak to none of them.
    from adapters.simulated.remote import RemoteSimulatedGateway

    return RemoteSimulatedGateway(
        str(settings.gateway_url),
        connections=settings.gateway_concurrency,
        answer_seconds=settings.gateway_seconds,
    )


def _remote_gateway_probe(gateway: "RemoteSimulatedGateway") -> ReadinessProbe:
    from adapters.simulated.remote import RemoteSimulatedGatewayProbe

    return RemoteSimulatedGatewayProbe(gateway)


def _gateway_app(ledger: Ledger) -> "ASGIApp":
    from adapters.simulated.server import create_gateway_app

    return create_gateway_app(ledger)


def _stripe_client(settings: Settings) -> "StripeClient":
    from adapters.stripe.client import StripeClient

    key = settings.stripe_api_key
    return StripeClient(
        key.get_secret_value() if key else "",
        base_url=settings.stripe_api_base,
        connections=settings.gateway_concurrency,
        patience_seconds=settings.gateway_seconds,
    )


def _stripe_gateway(client: "StripeClient") -> PaymentGateway:
    from adapters.stripe.gateway import StripeGateway

    return StripeGateway(client)


def _stripe_probe(client: "StripeClient") -> ReadinessProbe:
    from adapters.stripe.readiness import StripeProbe

    return StripeProbe(client)


def _webhook_sender(settings: Settings) -> HttpWebhookSender:
    return HttpWebhookSender(allow_loopback=settings.may_webhooks_loop_back)


def _work_times(settings: Settings) -> WorkTimes:
    return WorkTimes(
        lease=timedelta(seconds=settings.lease_seconds),
        answer=timedelta(seconds=settings.gateway_seconds),
        look_after=timedelta(seconds=settings.reconcile_after_seconds),
        longest_pause=timedelta(seconds=settings.retry_pause_seconds),
    )


class Container(DeclarativeContainer):
    settings: Provider[Settings] = Dependency(instance_of=Settings)

    # The outside.
    clock: Provider[Clock] = Singleton(SystemClock)
    ids: Provider[Ids] = Selector(
        settings.provided.database_kind,
        postgresql=Singleton(_ids_of_the_driver),
        sqlite=Singleton(SystemIds),
    )
    vault: Provider[Vault] = Singleton(AesGcmVault, settings.provided.secret)
    ledger: Provider[Ledger] = Singleton(Ledger, settings.provided.gateway_ledger, clock)
    remote_gateway: "Provider[RemoteSimulatedGateway]" = Singleton(_remote_gateway, settings)
    stripe_client: "Provider[StripeClient]" = Singleton(_stripe_client, settings)
    gateway: Provider[PaymentGateway] = Selector(
        settings.provided.gateway_kind,
        in_process=Singleton(SimulatedGateway, ledger),
        remote=remote_gateway,
        stripe=Singleton(_stripe_gateway, stripe_client),
    )
    key_mode: Provider[KeyMode] = Selector(
        settings.provided.gateway,
        simulated=Callable(lambda: KeyMode.TEST),
        stripe=Callable(lambda: KeyMode.LIVE),
    )
    database: Provider[Database] = Singleton(
        Database,
        settings.provided.effective_database_url,
        Singleton(
            PoolLimits,
            size=settings.provided.pool_size,
            wait_seconds=settings.provided.pool_wait_seconds,
            connect_seconds=settings.provided.connect_seconds,
            statement_seconds=settings.provided.statement_seconds,
            lock_seconds=settings.provided.lock_seconds,
        ),
    )
    orders: Provider[Orders] = Singleton(SqlOrders, database)
    operations: Provider[SqlPaymentOperations] = Singleton(SqlPaymentOperations, database, clock)
    events: Provider[Events] = Singleton(SqlEvents, database)
    event_sequencer: Provider[EventSequencer] = Singleton(SqlEventSequencer, database, ids, clock)
    webhook_endpoints: Provider[WebhookEndpoints] = Singleton(SqlWebhookEndpoints, database)
    webhook_sender: Provider[HttpWebhookSender] = Singleton(_webhook_sender, settings)
    deliveries: Provider[Deliveries] = Singleton(SqlDeliveries, database)
    delivery_turns: Provider[DeliveryTurns] = Singleton(SqlDeliveryTurns, database, clock, ids)
    history: Provider[PaymentHistory] = Singleton(SqlPaymentHistory, database)
    merchants: Provider[Merchants] = Singleton(SqlMerchants, database)
    api_keys: Provider[ApiKeys] = Singleton(
        RememberedApiKeys, Singleton(SqlApiKeys, database), clock
    )

    # The truth about a key, one request at a time per key, then the replay caches.
    truth: Provider[SqlIdempotencyStore] = Singleton(
        SqlIdempotencyStore,
        database,
        clock,
        busy_seconds=settings.provided.in_progress_wait_seconds,
        unknown_seconds=settings.provided.outcome_wait_seconds,
        together=Singleton(
            GroupLimits,
            lanes=settings.provided.commit_lanes,
            batch=settings.provided.commit_batch_size,
            waiting=settings.provided.commit_queue_size,
        ),
    )
    single_flight: Provider[SingleFlightIdempotency] = Singleton(
        SingleFlightIdempotency,
        truth,
        wait_seconds=settings.provided.in_progress_wait_seconds,
        deadline_seconds=settings.provided.write_deadline_seconds,
    )
    redis: "Provider[RedisParts]" = Singleton(
        _with_redis, settings, inner=single_flight, clock=clock
    )
    answers: Provider[IdempotencyStore] = Singleton(
        RememberedAnswers,
        Selector(
            settings.provided.replay_cache, redis=redis.provided.replay_cache, none=single_flight
        ),
    )

    work_times: Provider[WorkTimes] = Singleton(_work_times, settings)

    # What the service can do.
    mint: Provider[ApiKeyMint] = Singleton(ApiKeyMint, ids=ids, mode=key_mode)
    once: Provider[Once] = Singleton(Once, answers=answers, vault=vault, clock=clock)
    authenticate: Provider[Authenticate] = Singleton(
        Authenticate, api_keys=api_keys, clock=clock, mode=key_mode
    )
    place_order: Provider[PlaceOrder] = Singleton(PlaceOrder, once=once, gateway=gateway, ids=ids)
    change_order: Provider[ChangeOrder] = Singleton(
        ChangeOrder, once=once, orders=orders, gateway=gateway, ids=ids
    )
    capture_order: Provider[CaptureOrder] = Singleton(CaptureOrder, change_order=change_order)
    cancel_order: Provider[CancelOrder] = Singleton(CancelOrder, change_order=change_order)
    refund_order: Provider[RefundOrder] = Singleton(RefundOrder, change_order=change_order)
    get_refund: Provider[GetRefund] = Singleton(GetRefund, history=history)
    list_operations: Provider[ListOperations] = Singleton(
        ListOperations, orders=orders, history=history
    )
    show_order: Provider[ShowOrder] = Singleton(ShowOrder, history=history)
    run_payment_operations: Provider[RunPaymentOperations] = Singleton(
        RunPaymentOperations,
        operations=operations,
        gateway=gateway,
        ids=ids,
        clock=clock,
        times=work_times,
    )
    settle_operation: Provider[SettleOperation] = Singleton(
        SettleOperation,
        operations=operations,
        history=history,
        gateway=gateway,
        ids=ids,
        clock=clock,
        times=work_times,
    )
    reconcile: Provider[Reconcile] = Singleton(
        Reconcile,
        history=history,
        gateway=gateway,
        clock=clock,
        settled_within=Callable(lambda times: times.lease + 2 * times.longest_pause, work_times),
    )
    get_order: Provider[GetOrder] = Singleton(GetOrder, orders=orders)
    list_orders: Provider[ListOrders] = Singleton(ListOrders, orders=orders)
    number_events: Provider[NumberEvents] = Singleton(NumberEvents, sequencer=event_sequencer)
    list_events: Provider[ListEvents] = Singleton(ListEvents, events=events, orders=orders)
    follow_events: Provider[FollowEvents] = Singleton(
        FollowEvents, events=events, look_seconds=settings.provided.worker_poll_seconds
    )
    webhook_secrets: Provider[WebhookSecrets] = Singleton(WebhookSecrets, ids=ids, vault=vault)
    create_webhook_endpoint: Provider[CreateWebhookEndpoint] = Singleton(
        CreateWebhookEndpoint,
        once=once,
        endpoints=webhook_endpoints,
        sender=webhook_sender,
        secrets=webhook_secrets,
        ids=ids,
    )
    change_webhook_endpoint: Provider[ChangeWebhookEndpoint] = Singleton(
        ChangeWebhookEndpoint,
        endpoints=webhook_endpoints,
        sender=webhook_sender,
        ids=ids,
        clock=clock,
    )
    rotate_webhook_secret: Provider[RotateWebhookSecret] = Singleton(
        RotateWebhookSecret, once=once, endpoints=webhook_endpoints, secrets=webhook_secrets
    )
    deliver_webhooks: Provider[DeliverWebhooks] = Singleton(
        DeliverWebhooks,
        turns=delivery_turns,
        sender=webhook_sender,
        secrets=webhook_secrets,
        ids=ids,
        clock=clock,
        lease=Singleton(timedelta, seconds=settings.provided.webhook_lease_seconds),
    )
    list_deliveries: Provider[ListDeliveries] = Singleton(
        ListDeliveries, deliveries=deliveries, endpoints=webhook_endpoints
    )
    get_delivery: Provider[GetDelivery] = Singleton(GetDelivery, deliveries=deliveries)
    redeliver: Provider[Redeliver] = Singleton(
        Redeliver, once=once, deliveries=deliveries, endpoints=webhook_endpoints
    )
    send_test_event: Provider[SendTestEvent] = Singleton(
        SendTestEvent, once=once, endpoints=webhook_endpoints, ids=ids
    )
    get_webhook_endpoint: Provider[GetWebhookEndpoint] = Singleton(
        GetWebhookEndpoint, endpoints=webhook_endpoints
    )
    list_webhook_endpoints: Provider[ListWebhookEndpoints] = Singleton(
        ListWebhookEndpoints, endpoints=webhook_endpoints
    )
    delete_webhook_endpoint: Provider[DeleteWebhookEndpoint] = Singleton(
        DeleteWebhookEndpoint, endpoints=webhook_endpoints
    )
    look_up_idempotency_key: Provider[LookUpIdempotencyKey] = Singleton(
        LookUpIdempotencyKey, answers=answers, orders=orders, clock=clock
    )
    issue_api_key: Provider[IssueApiKey] = Singleton(IssueApiKey, once=once, mint=mint)
    rotate_api_key: Provider[RotateApiKey] = Singleton(
        RotateApiKey, once=once, api_keys=api_keys, mint=mint
    )
    revoke_api_key: Provider[RevokeApiKey] = Singleton(RevokeApiKey, api_keys=api_keys, clock=clock)
    list_api_keys: Provider[ListApiKeys] = Singleton(ListApiKeys, api_keys=api_keys)
    grant_api_key: Provider[GrantApiKey] = Singleton(
        GrantApiKey, merchants=merchants, api_keys=api_keys, mint=mint, clock=clock
    )
    create_merchant: Provider[CreateMerchant] = Singleton(
        CreateMerchant, merchants=merchants, mint=mint, ids=ids, clock=clock
    )
    drop_expired_answers: Provider[DropExpiredAnswers] = Singleton(
        DropExpiredAnswers, answers=answers, clock=clock
    )

    # Whether it can.
    database_probe: Provider[ReadinessProbe] = Singleton(DatabaseProbe, database)
    gateway_probe: Provider[ReadinessProbe] = Selector(
        settings.provided.gateway_kind,
        in_process=Singleton(SimulatedGatewayProbe, ledger),
        remote=Singleton(_remote_gateway_probe, remote_gateway),
        stripe=Singleton(_stripe_probe, stripe_client),
    )
    stuck_operations: Provider[ReadinessProbe] = Singleton(
        FindStuckOperations, history=history, clock=clock, gateway=gateway.provided.name
    )
    redis_probes = Selector(
        settings.provided.replay_cache, redis=List(redis.provided.probe), none=List()
    )
    check_readiness: Provider[CheckReadiness] = Singleton(
        CheckReadiness, probes=List(database_probe)
    )
    examine: Provider[CheckReadiness] = Singleton(
        CheckReadiness,
        probes=Callable(
            lambda *groups: [probe for group in groups for probe in group],
            List(
                database_probe,
                gateway_probe,
                Singleton(DurabilityProbe, database),
                Singleton(ClockProbe, database, clock),
                stuck_operations,
            ),
            redis_probes,
        ),
    )

    migrate = Callable(migrate, database)
    gateway_app: "Provider[ASGIApp]" = Singleton(_gateway_app, ledger)


async def shut_down(container: Container) -> None:
    """Finish what was accepted, for as long as a stop may take, then let go of the outside."""
    try:
        async with asyncio.timeout(container.settings().shutdown_seconds * _FOR_RECORDINGS):
            await container.single_flight().drain()
            await container.truth().drain()
            await container.operations().drain()
            await container.api_keys().drain()
    except TimeoutError:
        _log.warning("stopping although the database has not answered everything")
    await container.gateway().close()
    await container.webhook_sender().close()
    if container.settings().replay_cache == "redis":
        await container.redis().close()
    await container.database().close()
