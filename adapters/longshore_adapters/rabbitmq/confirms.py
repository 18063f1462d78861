"""Publishing with confirms: a window of messages on their way, and what became of each.

Of one thread; it calls nothing but `write`, and is told of what comes. What a lost connection left
unconfirmed is published again under the same key, in its order.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from time import monotonic
from typing import TYPE_CHECKING, Final

from longshore.errors import UnavailableError
from longshore_adapters.rabbitmq import fields, frames
from longshore_adapters.rabbitmq.errors import (
    BlockedError,
    QueueMissingError,
    lost,
    refused,
    said,
)
from longshore_adapters.rabbitmq.wire import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from longshore.errors import LongshoreError
    from longshore_adapters.rabbitmq.frames import Incoming
    from longshore_adapters.rabbitmq.wire import Copy

_log = logging.getLogger("longshore.rabbitmq")
CHANNEL: Final = 1
WINDOW: Final = 2000
"""Messages on their way at most; more wait here."""
WINDOW_BYTES: Final = 8_388_608
PATIENCE: Final = 30.0
"""Seconds for a confirmation, blocked or not."""
STALLED: Final = 3.0
"""Seconds without a confirmation, while some are owed, that a connection is trusted."""
SLOWEST: Final = 1_048_576
"""Bytes a second that a connection carries at least, or it is as good as dead."""
RECONNECTING: Final = 3.0
"""Seconds in which a lost connection may come back before who waits is told."""


class Batch:
    """Messages that are answered together: `done` is called once all answers are there."""

    def __init__(
        self, targets: Sequence[tuple[str, str]], copies: Sequence[Copy], done: Callable[[], None]
    ) -> None:
        """`targets` are an exchange and a routing key for each copy."""
        self.data: list[bytes] = []
        heads: dict[tuple[str, str], bytes] = {}
        for target, copy in zip(targets, copies, strict=True):
            head = heads.get(target)
            if head is None:
                head = heads[target] = frames.publish_head(CHANNEL, *target)
            self.data.append(head + frames.content(CHANNEL, copy.properties, copy.body))
        self.ids = [(target[1], copy.id) for target, copy in zip(targets, copies, strict=True)]
        self.answers: list[LongshoreError | None] = [None] * len(copies)
        self.left = len(copies)
        self.begun = monotonic()
        self._done = done

    @property
    def ended(self) -> bool:
        """Whether it was answered."""
        return self.left == 0

    def answer(self, place: int, error: LongshoreError | None) -> None:
        """Answer one message; the last answer ends the batch."""
        if self.left == 0:
            return
        if error is not None:
            self.answers[place] = error
        self.left -= 1
        if self.left == 0:
            self._done()

    def fail(self, places: Sequence[int], error: LongshoreError) -> None:
        """Answer all that is unanswered: `places`."""
        for place in places:
            self.answers[place] = error
        if self.left:
            self.left = 0
            self._done()


class Confirms:
    """The window over one connection after another."""

    def __init__(self, write: Callable[[bytes], None], where: str) -> None:
        """`write` puts frames on the present connection; `where` names the server."""
        self._write = write
        self._where = where
        self._up = False
        self._blocked = False
        self._tag = 0
        self._lowest = 1
        self._bytes = 0
        self._heard = 0.0
        self._sent: dict[int, tuple[Batch, int]] = {}
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._batches: dict[Batch, None] = {}
        self._suspects: set[Batch] = set()
        self._returned: Counter[tuple[str, str]] = Counter()

    @property
    def busy(self) -> bool:
        """Whether anything is unanswered."""
        return bool(self._batches)

    @property
    def clear(self) -> bool:
        """Whether nothing is on its way."""
        return not self._sent and not self._waiting

    def submit(self, batch: Batch) -> None:
        """Publish a batch as soon as the window has room."""
        if batch.ended:
            return
        self._batches[batch] = None
        self._waiting.extend((batch, place) for place in range(len(batch.data)))
        self._fill()

    def up(self) -> None:
        """There is a new connection: publish on it, first what the last one left unconfirmed."""
        self._up = True
        self._blocked = False
        self._open()

    def down(self) -> None:
        """The connection is gone."""
        self._up = False
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()
        self._bytes = 0

    def failed(self, error: LongshoreError) -> None:
        """No connection could be made: tell who has waited long enough."""
        now = monotonic()
        patience = RECONNECTING if type(error) is UnavailableError else 0.0
        self._give_up([one for one in self._batches if now - one.begun >= patience], error)

    def refuse(self, error: LongshoreError) -> None:
        """The server cannot do what is asked of it: tell everybody."""
        self._give_up([*self._batches], error)

    def block(self, *, blocked: bool) -> None:
        """RabbitMQ takes no more messages, or does again."""
        if blocked:
            _log.warning("RabbitMQ at %s has blocked publishers: memory or disk", self._where)
        self._blocked = blocked
        self._heard = monotonic()
        self._fill()

    def expire(self, now: float) -> None:
        """Answer what has waited too long."""
        late = [one for one in self._batches if now - one.begun >= PATIENCE]
        if late:
            error = BlockedError(PATIENCE) if self._blocked else lost(self._where)
            self._give_up(late, error)

    def is_stalled(self, now: float) -> bool:
        """Whether confirmations are owed for too long, though nothing is blocked.

        A quorum queue that has just come back may have lost what it was sent, and say nothing.
        What is large takes its time on the line before it can be confirmed.
        """
        trusted = STALLED + self._bytes / SLOWEST
        return bool(self._sent) and not self._blocked and now - self._heard >= trusted

    def handle(self, came: Incoming) -> None:
        """Take what came on the channel."""
        if came.method == frames.ACK:
            tag, multiple = frames.read_settled(came.arguments)
            self._settle(tag, multiple=multiple, taken=True)
            self._fill()
        elif came.method == frames.NACK:
            tag, multiple = frames.read_settled(came.arguments)
            self._settle(tag, multiple=multiple, taken=False)
            self._fill()
        elif came.method == frames.RETURN:
            _, key = frames.read_return(came.arguments)
            self._returned[key, read(came.properties).texts.get(fields.MESSAGE_ID, "")] += 1
        elif came.method == frames.CHANNEL_CLOSE:
            self._closed(*frames.read_close(came.arguments))

    def _open(self) -> None:
        self._tag = 0
        self._lowest = 1
        self._returned.clear()
        self._write(frames.open_channel(CHANNEL) + frames.select_confirms(CHANNEL))
        self._fill()

    def _fill(self) -> None:
        """Publish as many as the window takes, in one write."""
        if not self._up or self._blocked or not self._waiting:
            return
        if not self._sent:
            self._heard = monotonic()
        parts: list[bytes] = []
        waiting, sent = self._waiting, self._sent
        while waiting and len(sent) < WINDOW and self._bytes < WINDOW_BYTES:
            batch, place = entry = waiting[0]
            if self._suspects and not self._goes_with(batch):
                break
            waiting.popleft()
            if batch.left == 0:
                continue
            self._tag += 1
            sent[self._tag] = entry
            data = batch.data[place]
            self._bytes += len(data)
            parts.append(data)
        if parts:
            self._write(b"".join(parts))

    def _goes_with(self, batch: Batch) -> bool:
        """Whether a batch may be on its way beside what is: suspects go alone."""
        first = next(iter(self._sent.values()), None)
        if first is None or first[0] is batch:
            return True
        return first[0] not in self._suspects and batch not in self._suspects

    def _settle(self, tag: int, *, multiple: bool, taken: bool) -> None:
        self._heard = monotonic()
        for each in range(self._lowest, tag + 1) if multiple else (tag,):
            entry = self._sent.pop(each, None)
            if entry is None:
                continue
            batch, place = entry
            self._bytes -= len(batch.data[place])
            name = batch.ids[place]
            error = None if taken else refused(name[0])
            if self._returned and (came := self._returned.pop(name, 0)):
                if came > 1:
                    self._returned[name] = came - 1
                error = QueueMissingError(name[0])
            batch.answer(place, error)
            if batch.left == 0:
                self._batches.pop(batch, None)
                self._suspects.discard(batch)
        if multiple:
            self._lowest = tag + 1

    def _closed(self, code: int, text: str) -> None:
        """The channel was closed: by one of the messages on it, which is not known.

        What was on it is tried once more, a batch at a time, and that finds it.
        """
        self._write(frames.confirm_close(CHANNEL))
        on_it = dict.fromkeys(batch for batch, _ in self._sent.values())
        first = next(iter(self._sent.values()), None)
        queue = "" if first is None else first[0].ids[first[1]][0]
        error = said(code, text, queue)
        found = [batch for batch in on_it if batch in self._suspects]
        self._suspects.update(batch for batch in on_it if batch.left)
        self.down()
        self._up = True
        self._give_up(found, error)
        self._open()

    def _give_up(self, batches: Sequence[Batch], error: LongshoreError) -> None:
        unanswered: dict[Batch, list[int]] = {batch: [] for batch in batches}
        for batch, place in (*self._sent.values(), *self._waiting):
            if batch in unanswered:
                unanswered[batch].append(place)
        for batch, places in unanswered.items():
            batch.fail(places, error)
            del self._batches[batch]
            self._suspects.discard(batch)
        # Without a broker nothing else would take them out, and senders go on trying.
        self._waiting = deque(entry for entry in self._waiting if entry[0].left)
