"""The commands of payments: the simulated gateway, an order's timeline, what a person says of an
operation, the comparison of books."""

import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from application.json_text import rfc3339
from application.operation_document import operation_json
from application.order_document import order_document
from application.ports.payment_history import History
from application.reconcile import Comparison, Found
from application.settle_operation import SettleOperationCommand
from domain.payment import PaymentOperation
from entrypoints.cli_output import FAILED, AsJson, run, settings_of_this_process, show
from entrypoints.container import Container

order_app = typer.Typer(no_args_is_help=True, help="Orders.")
operation_app = typer.Typer(no_args_is_help=True, help="Payment operations.")

_LONGEST_DAYS = 3_650
_PAYMENT_ID = re.compile(r"[!-~]{1,255}")


@order_app.command("show")
def order_show(order_id: UUID, as_json: AsJson = False) -> None:
    """Print all that happened to an order, in the order in which it came."""
    history = run(lambda container: container.show_order()(order_id))
    show(_history_document(history), _history_text(history), as_json)


@operation_app.command("settle")
def operation_settle(
    operation_id: UUID,
    approved: Annotated[
        bool, typer.Option("--approved", help="The gateway did what was asked.")
    ] = False,
    declined: Annotated[
        bool, typer.Option("--declined", help="The gateway never did it, and never will.")
    ] = False,
    payment_id: Annotated[
        str | None,
        typer.Option(help="What it calls the payment of an approved charge or authorization."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what became of an operation that stays unknown, after a look at the gateway's books.
    Exits 1 when it is not for a person."""
    if approved is declined:
        raise typer.BadParameter("say --approved or --declined, and not both")
    command = SettleOperationCommand(
        operation_id=operation_id, approved=approved, payment_id=_checked(payment_id)
    )
    settings = settings_of_this_process()
    if not yes:
        asked = run(lambda container: container.settle_operation().check(command), settings)
        _ask(_question(asked, approved=approved))

    async def settle(container: Container) -> History:
        order_id = await container.settle_operation()(command)
        history: History = await container.show_order()(order_id)
        return history

    history = run(settle, settings)
    order = history.order
    (tried,) = [each for each in history.operations if each.id == operation_id]
    operation = tried.operation
    document = {
        "operation": json.loads(operation_json(operation, tried.attempts)),
        "order": order_document(order),
    }
    text = (
        f"operation  {operation.id}  {operation.kind}, {operation.state}\n"
        f"order      {order.id}  {order.status}, version {order.version}"
    )
    show(document, text, as_json)


def gateway_command(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8001,
) -> None:
    """Run the simulated gateway as a process of its own, with its books in the data directory.
    Point HARBOR_GATEWAY_URL at it."""
    from entrypoints.serve import serve_gateway

    serve_gateway(settings_of_this_process(), host=host, port=port)


def reconcile_command(
    days: Annotated[
        int, typer.Option(min=1, max=_LONGEST_DAYS, help="How far back to compare.")
    ] = 30,
    as_json: AsJson = False,
) -> None:
    """Compare our books with the gateway's, effect by effect. Exits 1 when they differ."""

    async def compare(container: Container) -> Comparison:
        since = container.clock().now() - timedelta(days=days)
        compared: Comparison = await container.reconcile()(since)
        return compared

    comparison = run(compare)
    document = {
        "checked": comparison.checked,
        "differences": [_found_document(each) for each in comparison.differences],
    }
    show(document, "\n".join(_comparison_lines(comparison)), as_json)
    raise typer.Exit(FAILED if comparison.differences else 0)


def _checked(payment_id: str | None) -> str | None:
    if payment_id is not None and not _PAYMENT_ID.fullmatch(payment_id):
        raise typer.BadParameter("--payment-id is 1 to 255 ASCII characters without spaces")
    return payment_id


def _question(operation: PaymentOperation, *, approved: bool) -> str:
    meant = "it was carried out" if approved else "it never was and never will be carried out"
    return (
        f"The {operation.kind} {operation.id} of order {operation.order_id}, {operation.amount}, is"
        f" unknown ({operation.problem or 'no answer was recorded'}). Record for good that {meant}?"
    )


def _ask(question: str) -> None:
    """Go on only if a person says yes. Typer's own way would leave a space on standard output."""
    typer.echo(f"{question} [y/N] ", err=True, nl=False)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise typer.Abort


def _found_document(found: Found) -> dict[str, Any]:
    return {
        "order_id": found.order_id and str(found.order_id),
        "kind": str(found.kind),
        "ours": found.ours,
        "gateway": found.gateway,
    }


def _comparison_lines(comparison: Comparison) -> Iterator[str]:
    if comparison.differences:
        yield f"{'order':36}  {'difference':16}  ours | gateway"
        for found in comparison.differences:
            order = str(found.order_id or "none")
            yield f"{order:36}  {found.kind:16}  {found.ours} | {found.gateway}"
    count = len(comparison.differences)
    differ = "1 difference" if count == 1 else f"{count or 'no'} differences"
    yield f"operations compared: {comparison.checked}; {differ}"


def _history_document(history: History) -> dict[str, Any]:
    return {
        "order": order_document(history.order),
        "timeline": [
            {"at": rfc3339(at), "what": what, **beside} for at, what, beside in _timeline(history)
        ],
    }


def _history_text(history: History) -> str:
    order = history.order
    lines = [
        f"order     {order.id}",
        f"merchant  {order.merchant_id}",
        f"status    {order.status}, version {order.version}",
        f"amount    {order.request.amount}, captured {order.captured}, refunded {order.refunded}",
    ]
    if order.failure is not None:
        lines.append(f"failure   {order.failure.code}: {order.failure.message}")
    lines.append("")
    for at, what, beside in _timeline(history):
        said = "  ".join(f"{name}={value}" for name, value in beside.items() if value is not None)
        lines.append(f"{rfc3339(at)}  {what:19}  {said}".rstrip())
    return "\n".join(lines)


def _timeline(history: History) -> list[tuple[datetime, str, dict[str, Any]]]:
    """What happened, when, and what is to be said beside it; at one moment first what the gateway
    said, then what became of the order, then what is to be asked next."""
    everything = (*_tried(history), *_told(history), *_asked(history))
    return sorted(everything, key=lambda each: each[0])


def _told(history: History) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    for event in history.events:
        yield event.occurred_at, str(event.type), {"version": event.order_version}


def _asked(history: History) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    for operation in (tried.operation for tried in history.operations):
        beside = {"operation": str(operation.id), "amount": str(operation.amount)}
        yield operation.created_at, f"{operation.kind} asked for", beside


def _tried(history: History) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    for tried in history.operations:
        for attempt in tried.attempts:
            beside = {
                "operation": str(tried.id),
                "attempt": attempt.number,
                "code": attempt.code,
                "took_ms": round((attempt.ended_at - attempt.started_at).total_seconds() * 1000),
            }
            yield attempt.ended_at, f"{tried.operation.kind} {attempt.outcome}", beside
