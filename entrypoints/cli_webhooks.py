"""The commands of webhooks."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from application.create_webhook_endpoint import CreateWebhookEndpointCommand
from application.delivery_document import delivery_document
from application.errors import MerchantNotFound
from application.once import Answer, Claim
from application.pages import Page
from application.ports.deliveries import DeliveryFilter
from application.redeliver import RedeliverCommand, RedeliverRangeCommand
from domain.delivery import Delivery, DeliveryState
from entrypoints.cli_output import AsJson, run, show
from entrypoints.container import Container

webhook_app = typer.Typer(no_args_is_help=True, help="Webhooks.")

_MOST_LISTED = 1_000

_FORMATS = ["%Y-%m-%dT%H:%M:%S%z"]
_MOMENT = "Such as 2026-11-21T10:00:00Z."


@webhook_app.command("listen")
def webhook_listen(
    merchant_id: UUID,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
) -> None:
    """Receive a merchant's webhooks here, verify them and print what arrives, until Ctrl-C. The
    endpoint is made for this and deleted at the end."""
    from entrypoints.listener import Listener, listening_server

    async def listen(container: Container) -> None:
        if not await container.merchants().exists(merchant_id):
            raise MerchantNotFound
        listener = Listener(typer.echo)
        try:
            server, bound, url = listening_server(listener, port)
        except OSError as error:
            raise typer.BadParameter(f"cannot listen on port {port}: {error.strerror}") from None
        command = CreateWebhookEndpointCommand(
            claim=_claim(container, merchant_id, "listen"),
            url=url,
            event_types=None,
            description="harbor webhook listen",
        )
        made = json.loads((await container.create_webhook_endpoint()(command)).body)
        listener.secret = made["secret"]
        typer.echo(f"Listening at {url} as endpoint {made['id']}. Ctrl-C ends it.")
        try:
            await server.serve([bound])
        finally:
            await asyncio.shield(container.delete_webhook_endpoint()(merchant_id, UUID(made["id"])))

    run(listen)


@webhook_app.command("deliveries")
def webhook_deliveries(
    merchant_id: UUID,
    endpoint_id: UUID,
    status: Annotated[DeliveryState | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST_LISTED)] = 25,
    as_json: AsJson = False,
) -> None:
    """List what was or is to be delivered to an endpoint, newest first."""
    which = DeliveryFilter(merchant_id=merchant_id, endpoint_id=endpoint_id, state=status)

    async def listed(container: Container) -> Page[Delivery]:
        page: Page[Delivery] = await container.list_deliveries()(which, after=None, limit=limit)
        return page

    page = run(listed)
    text = "\n".join(_line(each) for each in page.items) or "There are no deliveries."
    document = {
        "data": [delivery_document(each) for each in page.items],
        "has_more": page.next is not None,
    }
    show(document, text, as_json)


@webhook_app.command("redeliver")
def webhook_redeliver(
    merchant_id: UUID,
    delivery_id: Annotated[UUID | None, typer.Argument(help="One delivery.")] = None,
    endpoint: Annotated[
        UUID | None, typer.Option(help="All of an endpoint, with --from and --before.")
    ] = None,
    created_from: Annotated[
        datetime | None, typer.Option("--from", formats=_FORMATS, help=_MOMENT)
    ] = None,
    created_before: Annotated[
        datetime | None, typer.Option("--before", formats=_FORMATS, help=_MOMENT)
    ] = None,
    status: Annotated[DeliveryState | None, typer.Option(help="Only these.")] = None,
    as_json: AsJson = False,
) -> None:
    """Deliver once more: one delivery, or those of an endpoint that were made in a stretch of
    time."""
    if (delivery_id is None) is (endpoint is None):
        raise typer.BadParameter("name a delivery, or --endpoint with --from and --before")
    if delivery_id is not None:
        redeliver = _one(merchant_id, delivery_id)
    elif endpoint is not None and created_from is not None and created_before is not None:
        stretch = (created_from.astimezone(UTC), created_before.astimezone(UTC))
        redeliver = _several(merchant_id, endpoint, stretch, status)
    else:
        raise typer.BadParameter("--endpoint needs --from and --before")
    document: dict[str, Any] = json.loads(run(redeliver).body)
    count = document.get("count", 1)
    text = "1 delivery is due again." if count == 1 else f"{count} deliveries are due again."
    show(document, text, as_json)


def _one(merchant_id: UUID, delivery_id: UUID) -> Callable[[Container], Awaitable[Answer]]:
    async def redeliver(container: Container) -> Answer:
        claim = _claim(container, merchant_id, "redeliver")
        command = RedeliverCommand(claim=claim, delivery_id=delivery_id)
        answer: Answer = await container.redeliver()(command)
        return answer

    return redeliver


def _several(
    merchant_id: UUID,
    endpoint_id: UUID,
    stretch: tuple[datetime, datetime],
    state: DeliveryState | None,
) -> Callable[[Container], Awaitable[Answer]]:
    async def redeliver(container: Container) -> Answer:
        command = RedeliverRangeCommand(
            claim=_claim(container, merchant_id, "redeliver"),
            endpoint_id=endpoint_id,
            created_from=stretch[0],
            created_before=stretch[1],
            state=state,
        )
        answer: Answer = await container.redeliver().range(command)
        return answer

    return redeliver


def _claim(container: Container, merchant_id: UUID, what: str) -> Claim:
    """Of a person at the command line, who asks once."""
    key = f"harbor-webhook-{what}-{container.ids().new()}"
    return Claim(merchant_id=merchant_id, key=key, route=f"CLI webhook {what}", body={})


def _line(delivery: Delivery) -> str:
    tried = "1 attempt" if delivery.attempts == 1 else f"{delivery.attempts} attempts"
    return (
        f"{delivery.id}  {delivery.created_at:%Y-%m-%dT%H:%M:%SZ}  {delivery.state:9}  {tried:11}"
        f"  {delivery.event_type}  {delivery.sequence}"
    )
