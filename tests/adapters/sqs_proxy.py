"""A server in front of an emulator that misbehaves on purpose, in real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, web

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

MEBIBYTES = 4 * 1024**2
CEILING = 43_200
LATE = 0.5
_OWN = {"content-length"}
_IN_XML = re.compile(r"<Code>(\w+)</Code>")
"""How moto says no to a caller, whatever the protocol; AWS says it in that of the request."""


@dataclass
class Proxy:
    """Asks `fault` about each request: None lets it pass; else one of the ways below.

    `late` has it carried out a while after it came; `lose` drops the connection after it was
    carried out, `cut` before; `throttle`
    answers as SQS does when it is asked too often, `broken` as a balancer without servers, and
    `garbled` says yes in no language of SQS;
    `entries` fails every fifth entry, `ceiling` those that would hide a message for 12 hours.
    `spoilt` refuses the request as a whole, `deny` its caller,
    and `deny one` the only statement of a batch of DynamoDB's.
    Each answer takes `pause` seconds longer. `most` are the requests that waited for it at once,
    `peers` the connections that they came over, in the order of `bodies`.
    """

    url: str = ""
    fault: Callable[[str, dict[str, Any]], str | None] = lambda _operation, _body: None
    asked: Counter[str] = field(default_factory=Counter[str])
    bodies: list[tuple[str, dict[str, Any]]] = field(
        default_factory=list[tuple[str, dict[str, Any]]]
    )
    peers: list[object] = field(default_factory=list[object])
    entry: int = 0
    pause: float = 0.0
    waiting: int = 0
    most: int = 0

    def next(self, operation: str, fault: str, times: int = 1) -> None:
        """Let the next calls of an operation go wrong."""
        left = [times]

        def one(asked: str, _: dict[str, Any]) -> str | None:
            if asked != operation or not left[0]:
                return None
            left[0] -= 1
            return fault

        self.fault = one


@asynccontextmanager
async def proxied(target: str) -> AsyncGenerator[Proxy]:
    """Serve on a free port of this host until the end of the context."""
    proxy = Proxy()
    async with ClientSession() as session:

        async def passed(request: web.Request, data: bytes) -> web.Response:
            # With the host that was asked, which is signed: so a server may check signatures.
            headers = {n: text for n, text in request.headers.items() if n.lower() not in _OWN}
            async with session.post(target, data=data, headers=headers) as response:
                text = await response.text()
                if found := _IN_XML.search(text):
                    return refused(f"{found[1]}Exception", 400)
                return answered(json.loads(text), response.status)

        async def handle(request: web.Request) -> web.Response:
            operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
            data = await request.read()
            body: dict[str, Any] = json.loads(data)
            proxy.asked[operation] += 1
            proxy.bodies.append((operation, body))
            proxy.peers.append(request.transport and request.transport.get_extra_info("peername"))
            proxy.waiting += 1
            proxy.most = max(proxy.most, proxy.waiting)
            await asyncio.sleep(proxy.pause)
            proxy.waiting -= 1
            match proxy.fault(operation, body):
                case None:
                    return await passed(request, data)
                case "late":
                    await asyncio.sleep(LATE)
                    return await passed(request, data)
                case "lose":
                    await passed(request, data)
                    return dropped(request)
                case "entries" | "ceiling" as fault:
                    passes, failure = FAILING[fault]
                    spared = body | {"Entries": [e for e in body["Entries"] if passes(proxy, e)]}
                    lacking = failed(body, spared, failure)
                    if not spared["Entries"]:
                        return answered({"Successful": [], "Failed": lacking})
                    answer = json.loads(
                        (await passed(request, json.dumps(spared).encode())).text or "{}"
                    )
                    return answered(answer | {"Failed": [*answer.get("Failed", ()), *lacking]})
                case fault:
                    return _WAYS[fault](request)

        app = web.Application(client_max_size=MEBIBYTES)
        app.router.add_post("/{tail:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        proxy.url = f"http://{host}:{port}"
        try:
            yield proxy
        finally:
            await runner.cleanup()


def is_no_fifth(proxy: Proxy, _entry: dict[str, Any]) -> bool:
    """Whether this entry is none of every five."""
    proxy.entry += 1
    return proxy.entry % 5 != 0


def is_below_the_ceiling(_proxy: Proxy, entry: dict[str, Any]) -> bool:
    """Whether a message that was received a moment ago may be hidden for so long."""
    return int(entry["VisibilityTimeout"]) < CEILING


def failed(
    body: dict[str, Any], spared: dict[str, Any], failure: dict[str, Any]
) -> list[dict[str, Any]]:
    """Say of the entries that were held back how they failed."""
    kept = {entry["Id"] for entry in spared["Entries"]}
    return [{"Id": e["Id"], **failure} for e in body["Entries"] if e["Id"] not in kept]


def dropped(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def refused(code: str, status: int) -> web.Response:
    """Answer with an error of SQS."""
    return answered({"__type": f"com.amazonaws.sqs#{code}", "message": "by the proxy"}, status)


def answered(body: dict[str, Any], status: int = 200) -> web.Response:
    """Answer in SQS's protocol."""
    kind = "application/x-amz-json-1.0"
    return web.Response(text=json.dumps(body), status=status, content_type=kind)


_WAYS: dict[str, Callable[[web.Request], web.Response]] = {
    "broken": lambda _: web.Response(status=503, text="<html>no backend</html>"),
    "cut": dropped,
    "garbled": lambda _: web.Response(text="<html>sign in to this network</html>"),
    "deny one": lambda _: answered({"Responses": [{"Error": {"Code": "AccessDenied"}}]}),
    "deny": lambda _: refused("AccessDeniedException", 400),
    "spoilt": lambda _: refused("InvalidMessageContents", 400),
    "throttle": lambda _: refused("RequestThrottled", 403),
}

FAILING: dict[str, tuple[Callable[[Proxy, dict[str, Any]], bool], dict[str, Any]]] = {
    "entries": (
        is_no_fifth,
        {"SenderFault": False, "Code": "InternalError", "Message": "again"},
    ),
    "ceiling": (
        is_below_the_ceiling,
        {
            "SenderFault": True,
            "Code": "InvalidParameterValue",
            "Message": "Reason: Total VisibilityTimeout for the message is beyond the limit",
        },
    ),
}
