"""How queues are set up, beside how they should be. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from longshore.errors import ConfigurationError, LongshoreError
from longshore.registry import Finding
from longshore_adapters.rabbitmq import sdk
from longshore_adapters.rabbitmq.declaring import (
    dead_arguments,
    has_consumer_timeout,
    is_missing,
    queue_arguments,
)
from longshore_adapters.rabbitmq.desk import Desk, version_of
from longshore_adapters.rabbitmq.names import names_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore_adapters.rabbitmq.options import Options


def examine(options: Options, queues: Sequence[str]) -> list[Finding]:
    """Look at the server, at each queue and at its dead-letter queue."""
    desk = Desk(options)
    try:
        version: str = desk.ask_now(lambda channel: version_of(channel.connection), "")
    except LongshoreError as error:
        return [_finding("server", "fail", str(error), "correct the URL, or start the server")]
    else:
        findings = [*_server(options, version)]
        for queue in queues:
            findings += _queue(desk, options, queue, version)
        return findings
    finally:
        desk.close_now()


def _server(options: Options, version: str) -> Iterator[Finding]:
    yield _finding("server", "ok", f"version {version} at {options.hosts[0]}")
    timeout = options.consumer_timeout
    if timeout is None:
        text = "the URL says that no consumer timeout ends what is held long"
        step = "set consumer_timeout in the URL to that of the server, unless it has none"
        yield _finding("consumer timeout", "warn", text, step)
    else:
        how = "which consumers ask for" if has_consumer_timeout(version) else "as the URL says"
        text = f"tasks let go of their messages before {timeout}, {how}; AMQP does not tell more"
        yield _finding("consumer timeout", "ok", text)
    if options.management is None:
        text = "depth counts what is ready; what others hold only the management API tells"
        yield _finding("management", "ok", text)


def _queue(desk: Desk, options: Options, queue: str, version: str) -> Iterator[Finding]:
    try:
        names = names_of(queue, options)
    except ConfigurationError as error:
        yield _finding(f"queue {queue}", "fail", str(error), "rename the queue")
        return
    wanted = {
        names.queue: queue_arguments(options, names),
        names.dead: dead_arguments(options, version),
    }
    for name, arguments in wanted.items():
        yield _looked_at(desk, name, arguments)


def _looked_at(desk: Desk, name: str, arguments: dict[str, Any]) -> Finding:
    def compared(channel: sdk.Untyped) -> bool:
        if is_missing(channel.connection, name):
            return False
        sdk.declare_queue(channel, name, arguments)
        return True

    try:
        there = desk.ask_now(compared, name)
    except ConfigurationError as error:
        return _finding(f"queue {name}", "fail", str(error), "see above how to migrate it")
    except LongshoreError as error:
        return _finding(f"queue {name}", "fail", str(error), "check the user's permissions")
    if not there:
        return _finding(f"queue {name}", "fail", "it does not exist", "run: longshore init")
    return _finding(f"queue {name}", "ok", f"set up as it should be, {arguments['x-queue-type']}")


def _finding(
    name: str, verdict: Literal["ok", "warn", "fail"], text: str, step: str = ""
) -> Finding:
    return Finding(name=f"RabbitMQ {name}", verdict=verdict, text=text, step=step)
