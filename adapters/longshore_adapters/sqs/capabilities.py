"""What a queue on SQS can do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.queue import QueueCapabilities
from longshore_adapters.sqs import limits

if TYPE_CHECKING:
    from longshore_adapters.sqs.names import Names
    from longshore_adapters.sqs.options import Options


def capabilities_of(names: Names, options: Options) -> QueueCapabilities:
    """What a queue can do: a FIFO queue keeps order in its groups, and delays nothing."""
    return QueueCapabilities(
        adapter="sqs",
        max_body=limits.MAX_BODY,
        max_batch=limits.MAX_BATCH,
        max_delay=timedelta(0) if names.fifo else limits.MAX_DELAY,
        max_release_delay=limits.MAX_RELEASE_DELAY,
        priorities=bool(options.bands),
        ordered=names.fifo,
        max_lease=limits.MAX_VISIBILITY,
        max_hold=limits.MAX_VISIBILITY,
        retention=options.retention,
        stale_refused=False,
        grouped=names.fifo,
        deduplicates=names.fifo,
        purge_spares=False,
        late_kept=not names.fifo,
        late_extended=False,  # AWS answers MessageNotInflight; emulators extend at times
    )
