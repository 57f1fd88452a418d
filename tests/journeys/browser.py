"""A page in Chromium, as a person sees and uses it.

It is driven over the DevTools protocol (https://chromedevtools.github.io/devtools-protocol), which
every Chromium speaks: with aiohttp, which is here anyway, that takes less than a driver's package.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.journeys.programs import running_program

START_SECONDS: Final = 60.0
APPEAR_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 60.0
SHOWN: Final = 2_000
LISTENS: Final = "DevTools listening on "
OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    # Whoever asks for another address gets nothing, on every machine alike.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1280,1600",
    "--remote-debugging-port=0",
)


class NotThere(Exception):
    """What was waited for did not appear. The message says what the page shows instead."""


class Page:
    """One tab. `requests` are the addresses that it and its workers have asked for, and
    `complaints` all that its console says of errors, and of what a policy kept from it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._socket = socket
        self._session = ""
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())

    async def begin(self) -> None:
        """Open the tab, and watch it."""
        target = await self._call("", "Target.createTarget", url="about:blank")
        attached = await self._call(
            "", "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        await self._watch(self._session)
        await self._call(self._session, "Page.enable")
        await self._call(self._session, "Log.enable")

    async def end(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def open(self, url: str) -> None:
        moved = await self._call(self._session, "Page.navigate", url=url)
        assert "errorText" not in moved, moved

    async def until(self, expression: str) -> Any:
        """The JavaScript expression's value, once that is true. Raises NotThere."""
        look = f"""(async () => {{
            for (;;) {{
                const seen = {expression};
                if (seen) return seen instanceof Element ? seen.outerHTML : seen;
                await new Promise((later) => setTimeout(later, 20));
            }}
        }})()"""
        try:
            async with asyncio.timeout(APPEAR_SECONDS):
                return await self._evaluate(look)
        except TimeoutError:
            shown = await self._evaluate("document.body.innerText")
            raise NotThere(f"{expression}\n{self.complaints}\n{shown[:SHOWN]}") from None

    async def click(self, selector: str) -> None:
        """On the first element, once it is there."""
        await self.until(f"document.querySelector({json.dumps(selector)})")
        await self._evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def type(self, selector: str, text: str) -> None:
        """Into the first field, once it is there, in place of what it has; then leave it."""
        await self.until(f"document.querySelector({json.dumps(selector)})")
        await self._evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        await self._call(self._session, "Input.insertText", text=text)
        await self._evaluate("document.activeElement.blur()")

    async def text(self, selector: str) -> str:
        """What the first element shows, once it shows something."""
        shown: str = await self.until(
            f"document.querySelector({json.dumps(selector)})?.innerText.trim()"
        )
        return shown

    async def value(self, selector: str) -> str:
        """What the first field holds, once it holds something."""
        held: str = await self.until(f"document.querySelector({json.dumps(selector)})?.value")
        return held

    async def screenshot(self, selector: str = "body") -> bytes:
        """A PNG of what a person sees who has scrolled to the first element."""
        await self._evaluate(f"document.querySelector({json.dumps(selector)}).scrollIntoView()")
        taken = await self._call(self._session, "Page.captureScreenshot", format="png")
        return base64.b64decode(taken["data"])

    async def _evaluate(self, expression: str) -> Any:
        said = await self._call(
            self._session,
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    async def _call(self, session: str, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        await self._socket.send_json(message | ({"sessionId": session} if session else {}))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                result: dict[str, Any] = await answer
        finally:
            del self._answers[number]
        return result

    async def _read(self) -> None:
        workers = set()
        async for message in self._socket:
            document = json.loads(message.data)
            if "id" in document:
                self._settle(document)
            elif document["method"] == "Target.attachedToTarget" and self._session:
                # A worker waits to be watched. Awaited here, it would wait for this very loop.
                watching = self._watch(document["params"]["sessionId"])
                workers.add(asyncio.create_task(watching))
            else:
                self._note(document["method"], document["params"])

    def _settle(self, document: dict[str, Any]) -> None:
        answer = self._answers.get(document["id"])
        if answer is None or answer.done():
            return
        if "error" in document:
            answer.set_exception(AssertionError(document["error"]))
        else:
            answer.set_result(document["result"])

    async def _watch(self, session: str) -> None:
        await self._call(session, "Network.enable")
        await self._call(session, "Runtime.enable")
        await self._call(
            session,
            "Target.setAutoAttach",
            autoAttach=True,
            waitForDebuggerOnStart=True,
            flatten=True,
        )
        await self._call(session, "Runtime.runIfWaitingForDebugger")

    def _note(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Network.loadingFailed" if not params.get("canceled"):
                self.complaints.append(f"not loaded: {params}")
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(params["entry"]["text"])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(json.dumps(params["args"]))
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case _:
                pass


@asynccontextmanager
async def opened(chromium: str, profile: Path) -> AsyncIterator[Page]:
    """A tab in a Chromium of its own, which knows nothing of any before it."""
    command = [chromium, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    with running_program(command, {}) as lines:
        address = await asyncio.to_thread(lines.first, _address, START_SECONDS)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=0) as socket,
        ):
            page = Page(socket)
            try:
                await page.begin()
                yield page
            finally:
                await page.end()


def _address(line: str) -> str | None:
    return line.removeprefix(LISTENS) if line.startswith(LISTENS) else None
