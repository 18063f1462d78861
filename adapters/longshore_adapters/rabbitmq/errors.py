"""What RabbitMQ and the network answer, said in Longshore's words, with the next step in each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError, LongshoreError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFUSED: Final = 403
_MISSING: Final = 404
_LOCKED: Final = 405
_MISMATCH: Final = 406
_NO_VHOST: Final = 530
_DIFFERS: Final = re.compile(
    r"inequivalent arg '(?P<name>[^']*)' for (?P<kind>\w+) '(?P<queue>[^']*)'.*?"
    r"received (?P<ours>.*?) but current is (?P<theirs>.*)",
    re.DOTALL,
)
_STALE: Final = "unknown delivery tag"
"""What was settled is not held any more: nothing that a setting would mend."""
_OTHER_TYPE: Final = "x-queue-type"


class QueueMissingError(UnavailableError):
    """The queue is not there: not declared yet, or deleted, and maybe about to come back."""

    def __init__(self, queue: str) -> None:
        """`queue` is what RabbitMQ calls it."""
        super().__init__(
            f"the RabbitMQ queue {queue!r} does not exist; make it with: longshore init"
        )


class RefusedError(UnavailableError):
    """RabbitMQ knows this user, password or virtual host not, and will not in a moment."""


class BlockedError(UnavailableError):
    """RabbitMQ takes no messages: it is short of memory or disk."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is how long it was waited."""
        super().__init__(
            f"RabbitMQ has blocked this publisher, and did so for {seconds:.0f} s: it is short of "
            "memory or disk; see: rabbitmq-diagnostics alarms"
        )


def said(code: int, text: str, queue: str) -> LongshoreError:
    """Say what the close of a channel or connection means for who uses `queue`."""
    if code == _MISMATCH and "inequivalent" in text:
        return _mismatch(text)
    if code == _MISSING:
        return QueueMissingError(queue)
    words = text[:500]
    if code == _MISMATCH and _STALE in text:
        return UnavailableError(_ENDED.format(queue=queue, code=code, text=words))
    if code == _MISMATCH and "timed out" not in text:
        return ConfigurationError(f"RabbitMQ refused what was asked of {queue!r}: {words}")
    return UnavailableError(_SAID.get(code, _ENDED).format(queue=queue, code=code, text=words))


_ENDED: Final = "RabbitMQ ended the channel of {queue!r} ({code}): {text}"
_SAID: Final[Mapping[int, str]] = {
    _REFUSED: "RabbitMQ does not allow this user that: {text}; see: rabbitmqctl list_permissions",
    _NO_VHOST: "RabbitMQ refused: {text}; check the virtual host in the URL",
    _LOCKED: "the RabbitMQ queue {queue!r} is another connection's: {text}",
    _MISMATCH: "RabbitMQ took back what was held too long of {queue!r}: {text}; give the URL the "
    "server's consumer_timeout, so that long tasks let go of their messages before it",
}


def unreached(error: BaseException, where: str) -> LongshoreError:
    """Say that a connection could not be made, or broke."""
    code = getattr(error, "reply_code", None)
    text = str(error)
    if code == _REFUSED or "ACCESS_REFUSED" in text:
        return RefusedError(
            f"RabbitMQ at {where} does not accept this user and password ({text[:200]}); "
            "correct them in the URL"
        )
    if code == _NO_VHOST or "NOT_ALLOWED" in text:
        return RefusedError(
            f"RabbitMQ at {where} refused the connection ({text[:200]}); check the virtual host in "
            "the URL, and the user's permissions"
        )
    return UnavailableError(
        f"RabbitMQ at {where} was not reached: {type(error).__name__}: {text[:200]}; check the "
        "URL, the network, and that it runs"
    )


def lost(where: str) -> UnavailableError:
    """Say that no answer came in time."""
    return UnavailableError(
        f"RabbitMQ at {where} did not confirm in time; the messages may be there, and sending them "
        "again is safe"
    )


def refused(queue: str) -> UnavailableError:
    """Say that RabbitMQ could not take a message."""
    return UnavailableError(
        f"RabbitMQ did not take a message for {queue!r}: the queue is full, or has lost its "
        "majority; drain it, or see: rabbitmq-queues quorum_status"
    )


def _mismatch(text: str) -> ConfigurationError:
    found = _DIFFERS.search(text)
    if found is None:
        return ConfigurationError(f"RabbitMQ has the queue in another form: {text[:500]}")
    named: Mapping[str, str] = found.groupdict()
    what = f"the queue {named['queue']!r} is there with another {named['name']}"
    how = (
        "give the URL the type that it has, or move its messages to a new queue of another prefix "
        "(shovel), or delete it when it is empty and run: longshore init"
        if named["name"] == _OTHER_TYPE
        else "delete it when it is empty and run longshore init, or give the URL another prefix; "
        "what a policy can set may be set by one (rabbitmqctl set_policy)"
    )
    return ConfigurationError(
        f"{what}: wanted {named['ours'].strip()}, it has {named['theirs'].strip()}; {how}"
    )
