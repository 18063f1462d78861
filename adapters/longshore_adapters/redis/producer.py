"""The way in for code without an event loop: redis-py's own client, used in the caller's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longshore.errors import ClosedError
from longshore_adapters.redis import recording, scripts, sdk
from longshore_adapters.redis.errors import translate
from longshore_adapters.redis.keys import Keys
from longshore_adapters.redis.ledger import Queues
from longshore_adapters.redis.scalars import micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.clock import Clock
    from longshore.protocol import Record, Recorded
    from longshore_adapters.redis.options import Options


class RedisProducer:
    """Enqueues from any thread; redis-py gives each call a connection, and a fork its own."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Prepare; the server is reached when it is first needed."""
        self._options = options
        self._clock = clock
        self._keys = Keys(options.prefix)
        self._client = sdk.client(options)
        self._no_script: type[Exception] = sdk.loaded("redis.exceptions").NoScriptError
        self._open = True

    def check(self) -> None:
        """Reach the server; raise where that cannot be."""
        with translate(self._options.where):
            self._client.ping()

    def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages, all or none."""
        if not self._open:
            what = f"the Redis backend {self._options.where}"
            raise ClosedError(what)
        recording.check(records)
        if not records:
            return []
        queues = Queues(self._keys)
        arguments = recording.arguments_of(queues, records, silent=False)
        told = self._run(queues.keys(), arguments)
        return recording.answers_of(records, told)

    def _run(self, keys: Sequence[bytes], arguments: Sequence[bytes | int]) -> Any:  # noqa: ANN401 - its answer
        server = self._options.clock == "server"
        now = b"" if server else b"%d" % micros(self._clock.now())
        given = (len(keys), *keys, now, *arguments)
        with translate(self._options.where):
            try:
                return self._client.execute_command("EVALSHA", scripts.ENQUEUE.sha, *given)
            except self._no_script:
                return self._client.execute_command("EVAL", scripts.ENQUEUE.text, *given)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._open = False
        self._client.close()
