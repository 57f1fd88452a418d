"""The commands of the kit for partners."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from entrypoints.cli_output import FAILED, AsJson, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrypoints.conformance.report import Report
    from entrypoints.conformance.scenarios import Scenario

conformance_app = typer.Typer(
    no_args_is_help=True,
    help="Examine what you have built against Harbor: your client, your webhook receiver.",
)

_MOST_ORDERS = 1_000
_MOST_PREFIX = 40

Junit = Annotated[
    Path | None, typer.Option(dir_okay=False, help="Write the report as JUnit XML to this file.")
]


@conformance_app.command("client")
def conformance_client(  # noqa: PLR0913, PLR0917 - one for each option
    command: Annotated[
        str | None,
        typer.Option(
            help="Run this in a shell with HARBOR_URL, HARBOR_API_KEY and"
            " HARBOR_CONFORMANCE_INVOICES (with commas between); the run ends when it does."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    scenario: Annotated[
        list[str] | None, typer.Option(help="Only this one. Repeatable. Default: all.")
    ] = None,
    orders: Annotated[
        int | None,
        typer.Option(min=1, max=_MOST_ORDERS, help="Default: one for each scenario."),
    ] = None,
    prefix: Annotated[
        str, typer.Option(help="Of the invoices: CONF-1, CONF-2 and so on.")
    ] = "CONF",
    seed: Annotated[
        int | None, typer.Option(help="Shuffle which invoice meets what. Default: in order.")
    ] = None,
    retry_after: Annotated[
        int, typer.Option(min=1, max=60, help="What Retry-After says, in seconds.")
    ] = 2,
    slow: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=600,
            help="How late the slow answer is: longer than you wait, for which the guide has 30.",
        ),
    ] = 32.0,
    timeout: Annotated[
        float, typer.Option(min=1, max=86_400, help="How long all of it may take.")
    ] = 120.0,
    junit: Junit = None,
    as_json: AsJson = False,
) -> None:
    """Run a Harbor that misbehaves on purpose: it loses answers after the commit, says 409, 429 and
    503 with Retry-After, is slow, is down, gets requests twice. Then report whether your client
    kept one key for each order and ended with exactly one order each. Exits 1 if it did not."""
    from entrypoints.conformance.client import ClientOptions, examine_client

    options = ClientOptions(
        host=host,
        port=port,
        plan=_plan(scenario, orders, prefix, seed),
        pause_seconds=retry_after,
        slow_seconds=slow,
        run_seconds=timeout,
        command=command,
    )
    _check_writable(junit)

    def tell(text: str) -> None:
        # With --json, standard output is for the report alone.
        typer.echo(text, err=as_json)

    _conclude(asyncio.run(examine_client(options, tell)), junit, as_json)


@conformance_app.command("receiver")
def conformance_receiver(
    url: Annotated[str, typer.Argument(help="Where your receiver takes webhooks.")],
    secret: Annotated[
        str,
        typer.Option(
            envvar="HARBOR_CONFORMANCE_SECRET",
            help="The receiver's secret, whsec_ and base64 of 24 to 64 bytes.",
        ),
    ],
    processed_command: Annotated[
        str | None,
        typer.Option(
            help="A shell command that prints the ids of the events which the receiver has"
            " processed, one a line: then duplicates are checked for their effect."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=20, help="How long an answer may take, in seconds.")
    ] = 15.0,
    junit: Junit = None,
    as_json: AsJson = False,
) -> None:
    """Send your webhook receiver good, duplicate, reordered, late, tampered and badly signed
    deliveries, and report what it made of them. Exits 1 if something was wrong."""
    from domain.webhook_signature import sign
    from entrypoints.conformance.commands import CommandFailed
    from entrypoints.conformance.receiver import NotReached, ReceiverOptions, examine_receiver

    try:
        sign(secret, "", 0, b"")
    except ValueError:
        raise typer.BadParameter(
            "--secret is not the text of a webhook secret: whsec_ and base64 of 24 to 64 bytes."
        ) from None
    options = ReceiverOptions(
        url=url,
        secret=secret,
        patience_seconds=timeout,
        processed_command=processed_command,
    )
    _check_writable(junit)
    try:
        report = asyncio.run(examine_receiver(options))
    except NotReached as error:
        raise typer.BadParameter(str(error)) from None
    except CommandFailed as error:
        raise typer.BadParameter(f"the command of --processed-command {error}.") from None
    _conclude(report, junit, as_json)


def _plan(
    names: list[str] | None, orders: int | None, prefix: str, seed: int | None
) -> "Mapping[str, Scenario]":
    from entrypoints.conformance.scenarios import SCENARIOS, assign

    known = {each.name: each for each in SCENARIOS}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise typer.BadParameter(f"--scenario is one of {', '.join(known)}.")
    if not prefix.isascii() or not prefix.isprintable() or not 1 <= len(prefix) <= _MOST_PREFIX:
        raise typer.BadParameter(f"--prefix is 1 to {_MOST_PREFIX} printable ASCII characters.")
    if "," in prefix:
        raise typer.BadParameter("--prefix has no comma, which stands between the invoices.")
    chosen = [known[name] for name in dict.fromkeys(names or known)]
    if orders is not None and orders < len(chosen):
        raise typer.BadParameter(f"--orders is at least {len(chosen)}: one for each scenario.")
    return assign(chosen, orders=orders or len(chosen), prefix=prefix, seed=seed)


def _check_writable(junit: Path | None) -> None:
    """Before anything is done that would have to be done again."""
    if junit is None:
        return
    if not junit.parent.is_dir():
        raise typer.BadParameter("--junit names a file in a directory that is not there.")
    try:
        is_new = not junit.exists()
        junit.open("ab").close()
        if is_new:
            # Should the run be killed, there is no report, and not an empty one.
            junit.unlink()
    except OSError as error:
        raise _unwritable(error) from None


def _unwritable(error: OSError) -> typer.BadParameter:
    return typer.BadParameter(f"--junit cannot be written: {error.strerror}.")


def _conclude(report: "Report", junit: Path | None, as_json: bool) -> None:
    from entrypoints.conformance.junit import junit_xml
    from entrypoints.conformance.report import report_document, report_text

    show(report_document(report), report_text(report), as_json)
    if junit is not None:
        try:
            junit.write_bytes(junit_xml(report))
        except OSError as error:
            raise _unwritable(error) from None
    raise typer.Exit(0 if report.has_passed else FAILED)
