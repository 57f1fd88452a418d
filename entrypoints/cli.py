"""The command line: `harbor`."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from pydantic import SecretStr

from application.api_key_document import api_key_document, new_api_key_document
from application.errors import ApplicationError, OperationNotSettled
from application.new_api_key import ApiKeyRequest
from application.pages import Page, Position
from application.ports.faults import StorageUnavailable
from application.ports.gateway import GatewayUnavailable
from application.ports.readiness import Finding
from domain.errors import DomainError
from domain.merchant import ALL_SCOPES, ApiKey, Scope
from entrypoints.cli_conformance import conformance_app
from entrypoints.cli_output import (
    FAILED,
    USER_ERROR,
    AsJson,
    run,
    settings_of_this_process,
    show,
)
from entrypoints.cli_payments import gateway_command, operation_app, order_app, reconcile_command
from entrypoints.cli_webhooks import webhook_app
from entrypoints.container import Container
from entrypoints.serve import ServeError, ServeOptions, serve
from entrypoints.settings import Settings, SettingsError
from entrypoints.worker import loop_factory, run_worker_process

_LIST_PAGE = 100

app = typer.Typer(
    name="harbor",
    help="The payments order service.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
merchant_app = typer.Typer(no_args_is_help=True, help="Merchants.")
key_app = typer.Typer(no_args_is_help=True, help="API keys of a merchant.")
app.add_typer(merchant_app, name="merchant")
app.add_typer(key_app, name="key")
app.add_typer(order_app, name="order")
app.add_typer(operation_app, name="operation")
app.add_typer(webhook_app, name="webhook")
app.add_typer(conformance_app, name="conformance")
app.command("gateway")(gateway_command)
app.command("reconcile")(reconcile_command)


def main() -> None:
    """The console script: a user's mistake is one line on standard error and exit 2."""
    try:
        code = typer.main.get_command(app)(standalone_mode=False)
    except OperationNotSettled as error:
        _exit_with(str(error), FAILED)
    except (SettingsError, ServeError, ApplicationError, DomainError) as error:
        _exit_with(str(error), USER_ERROR)
    except StorageUnavailable as error:
        _exit_with(f"{error} Check HARBOR_DATABASE_URL and the server.", FAILED)
    except GatewayUnavailable as error:
        _exit_with(f"{error} Check the gateway with `harbor doctor`.", FAILED)
    except typer.Abort:
        _exit_with("stopped", FAILED)
    except typer.TyperException as error:
        _exit_with(f"{error.format_message()} Try `harbor --help`.", USER_ERROR)
    else:
        sys.exit(code if isinstance(code, int) else 0)


@app.command("serve")
def serve_command(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Server processes; more than 1 needs PostgreSQL.")
    ] = 1,
    worker: Annotated[
        bool | None,
        typer.Option(
            "--worker/--no-worker",
            help="Run the worker too. Default: yes in the embedded default, no otherwise.",
        ),
    ] = None,
) -> None:
    """Serve the API."""
    settings = settings_of_this_process()
    run_worker = settings.is_embedded if worker is None else worker
    serve(settings, ServeOptions(host=host, port=port, processes=workers, run_worker=run_worker))


@app.command("worker")
def worker_command() -> None:
    """Run the worker alone, until it is told to stop."""
    settings = settings_of_this_process()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run_worker_process(Container(settings=settings)))


@app.command("migrate")
def migrate_command(as_json: AsJson = False) -> None:
    """Bring the database forward to the schema that this version needs."""

    async def migrate(container: Container) -> bool:
        migrated: bool = await container.migrate()
        return migrated

    migrated = run(migrate, migrated=False)
    text = "The database was migrated." if migrated else "The database is up to date."
    show({"migrated": migrated}, text, as_json)


@app.command("openapi")
def openapi_command() -> None:
    """Print the OpenAPI document."""
    from entrypoints.http.app import create_app

    # The document depends on no setting and needs no database; this one is never opened.
    settings = Settings.model_construct(
        database_url="sqlite+aiosqlite:////dev/null", secret_key=SecretStr("")
    )
    document = create_app(Container(settings=settings)).openapi()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


@app.command("doctor")
def doctor_command(as_json: AsJson = False) -> None:
    """Check settings, database, migrations, gateway, durability, clock, Redis and the operations
    that wait for the gateway. FAIL keeps the service from working and exits 1; WARN does not."""
    settings = settings_of_this_process()

    async def examine(container: Container) -> tuple[Finding, ...]:
        return await container.examine()()

    findings = run(examine, settings)
    ready = not any(finding.required and finding.problem for finding in findings)
    document = {
        "ready": ready,
        "embedded": settings.is_embedded,
        "gateway": settings.gateway,
        "findings": [
            {"name": each.name, "ok": each.problem is None, "problem": each.problem}
            for each in findings
        ],
    }
    show(document, "\n".join(_finding_line(each) for each in findings), as_json)
    raise typer.Exit(0 if ready else FAILED)


@merchant_app.command("create")
def merchant_create(name: str, as_json: AsJson = False) -> None:
    """Create a merchant with a first API key that has every scope."""
    created = run(lambda container: container.create_merchant()(name))
    document = {
        "merchant_id": str(created.merchant.id),
        "name": created.merchant.name,
        "api_key": created.first_key.text,
    }
    text = f"merchant  {created.merchant.id}\nAPI key   {created.first_key.text}  (shown this once)"
    show(document, text, as_json)


@key_app.command("create")
def key_create(
    merchant_id: UUID,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="Repeatable. Default: every scope.")
    ] = None,
    expires_at: Annotated[
        str | None, typer.Option(help="RFC 3339, such as 2027-01-01T00:00:00Z.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key. Its text is shown this once."""
    request = ApiKeyRequest(
        name=name, scopes=frozenset(scope or ALL_SCOPES), expires_at=_moment(expires_at)
    )
    new = run(lambda container: container.grant_api_key()(merchant_id, request))
    text = f"API key   {new.text}  (shown this once)\nid        {new.key.id}"
    show(new_api_key_document(new.key, new.text), text, as_json)


@key_app.command("list")
def key_list(merchant_id: UUID, as_json: AsJson = False) -> None:
    """List a merchant's API keys, newest first."""

    async def list_all(container: Container) -> list[ApiKey]:
        keys: list[ApiKey] = []
        after: Position | None = None
        while True:
            page: Page[ApiKey] = await container.list_api_keys()(
                merchant_id, after=after, limit=_LIST_PAGE
            )
            keys += page.items
            after = page.next
            if after is None:
                return keys

    keys = run(list_all)
    text = "\n".join(_key_line(key) for key in keys) or "There are no API keys."
    show({"data": [api_key_document(key) for key in keys]}, text, as_json)


@key_app.command("revoke")
def key_revoke(merchant_id: UUID, key_id: UUID, as_json: AsJson = False) -> None:
    """Revoke an API key."""
    run(lambda container: container.revoke_api_key()(merchant_id, key_id))
    show({"id": str(key_id), "revoked": True}, f"API key {key_id} is revoked.", as_json)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise typer.BadParameter("--expires-at needs an offset, such as Z")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("--expires-at is not an RFC 3339 date-time") from None


def _finding_line(finding: Finding) -> str:
    if finding.problem is None:
        return f"ok    {finding.name}"
    return f"{'FAIL' if finding.required else 'WARN'}  {finding.name}: {finding.problem}"


def _key_line(key: ApiKey) -> str:
    state = "revoked" if key.revoked_at else "active"
    return f"{key.id}  {key.prefix}…  {state}  {' '.join(sorted(key.scopes))}  {key.name or ''}"


def _exit_with(message: str, code: int) -> None:
    one_line = " ".join(message.split())
    typer.echo(f"harbor: {one_line}", err=True)
    sys.exit(code)
