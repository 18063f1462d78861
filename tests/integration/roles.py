"""A server that lets each caller do what its IAM policy says, and tells what it was asked.

moto enforces policies: it checks every signature, finds the user, and asks the user's policy. It
differs from AWS in what an action is called and in which requests have a resource; `as_moto_reads`
says a policy in its words.
"""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request, urlopen

import boto3.session

from tests.adapters.sqs_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from tests.adapters.sqs_proxy import Proxy

ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"
BATCHED: Final = ("ChangeMessageVisibility", "DeleteMessage", "SendMessage")
"""Actions that AWS takes for those of a batch as well, which moto asks about by their own names."""
NOWHERE: Final = frozenset({"sqs:CreateQueue", "sqs:GetQueueUrl", "sqs:ListQueues"})
"""Actions of requests in which moto sees no queue."""
_STATEMENT: Final = {"INSERT": "Insert", "UPDATE": "Update", "DELETE": "Delete"}

Pair = tuple[str, str]
"""An action, and what it is done to."""


@contextmanager
def recording(target: str) -> Generator[Proxy]:
    """Serve a proxy from a thread of its own, for callers with or without a loop."""
    ready, over = threading.Event(), asyncio.Event()
    found: list[Any] = []

    async def serve() -> None:
        async with proxied(target) as proxy:
            found.extend([proxy, asyncio.get_running_loop()])
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    ready.wait()
    try:
        yield found[0]
    finally:
        found[1].call_soon_threadsafe(over.set)
        thread.join()


class Iam:
    """The users of a moto server; policies count once they are `enforced`."""

    def __init__(self, url: str) -> None:
        """Make the one who may do everything, with whose credentials the others are made."""
        self._url = url
        self._session: Any = boto3.session.Session()
        self._client: Any = self._session.client("iam", endpoint_url=url)
        allowed = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        self.everything = self.user("root", allowed)
        self._client = self.root("iam")

    def root(self, service: str) -> Any:
        """Make a client of the one who may do everything."""
        return self._session.client(
            service,
            endpoint_url=self._url,
            aws_access_key_id=self.everything["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.everything["AWS_SECRET_ACCESS_KEY"],
        )

    def enforce(self) -> None:
        """Ask every caller who it is from now on."""
        plain = {"Content-Type": "text/plain"}
        asked = Request(f"{self._url}/moto-api/reset-auth", data=b"0", headers=plain)  # noqa: S310 - the server of this test
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 - the same
            assert answer.status == 200

    def user(self, name: str, statements: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Make a user with this policy alone; the environment of its programs."""
        self._client.create_user(UserName=name)
        self.allow(name, statements)
        key = self._client.create_access_key(UserName=name)["AccessKey"]
        return {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    def allow(self, name: str, statements: Sequence[Mapping[str, Any]]) -> None:
        """Put another policy in the place of a user's."""
        document = {"Version": "2012-10-17", "Statement": as_moto_reads(statements)}
        self._client.put_user_policy(
            UserName=name, PolicyName="all", PolicyDocument=json.dumps(document)
        )


def as_moto_reads(statements: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Say the same of each request, under the name and the resource that moto gives it."""
    made: list[dict[str, Any]] = []
    for statement in statements:
        for action in texts(statement["Action"]):
            service, _, verb = action.partition(":")
            names = [action, f"{action}Batch"] if verb in BATCHED else [action]
            unseen = service == "dynamodb" or action in NOWHERE
            made.append({**statement, "Sid": f"S{len(made)}", "Action": names})
            if unseen:
                made[-1]["Resource"] = "*"
    return made


def granted(statements: Iterable[Mapping[str, Any]]) -> set[Pair]:
    """Every action with everything that it is allowed on."""
    return {
        (action, resource)
        for statement in statements
        for action in texts(statement["Action"])
        for resource in texts(statement["Resource"])
    }


def asked(proxy: Proxy) -> set[Pair]:
    """What AWS would have asked policies about, of all that came since the proxy was made."""
    return {pair for operation, body in proxy.bodies for pair in _pairs(operation, body)}


def _pairs(operation: str, body: Mapping[str, Any]) -> Iterable[Pair]:
    if operation == "ListQueues":
        yield "sqs:ListQueues", "*"
    elif queue := body.get("QueueUrl", body.get("QueueName", body.get("SourceArn"))):
        name = queue.replace(":", "/").rpartition("/")[2]
        yield f"sqs:{operation.removesuffix('Batch')}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        if body.get("tags"):
            yield "sqs:TagQueue", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    elif operation == "BatchExecuteStatement":
        for each in body["Statements"]:
            word, *rest = each["Statement"].split()
            table = next(part.split('"')[1] for part in rest if '"' in part)
            yield f"dynamodb:PartiQL{_STATEMENT[word]}", _table(table)
    else:
        for table in body.get("RequestItems", [body.get("TableName")]):
            index = "/index/*" if "IndexName" in body else ""
            yield f"dynamodb:{operation}", f"{_table(table)}{index}"


def _table(name: str) -> str:
    return f"arn:aws:dynamodb:{REGION}:*:table/{name}"


def kinds(pairs: Iterable[Pair]) -> set[Pair]:
    """Say of each queue only whether it is one for dead letters."""
    return {(action, _kind(resource)) for action, resource in pairs}


def _kind(resource: str) -> str:
    if not resource.startswith("arn:aws:sqs:"):
        return resource
    return "dead letters" if "-dlq" in resource else "queue"


def texts(value: str | Sequence[str]) -> Sequence[str]:
    """Read what a policy may say once or as a list."""
    return [value] if isinstance(value, str) else value
