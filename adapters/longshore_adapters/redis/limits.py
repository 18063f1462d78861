"""What fits: sizes in bytes, chosen for this adapter and stated to its callers."""

from __future__ import annotations

from typing import Final

from longshore.fitting import Fit

MAX_BODY: Final = 16_777_216
"""A message's body. A value of Redis's holds 512 MiB (proto-max-bulk-len), but all of it is memory,
and the server serves nobody else while it copies one."""

MAX_ROW: Final = 33_554_432
"""What one record or one finish brings into a row: a body and a result, each as long as can be."""

MAX_BATCH: Final = 1000
"""Messages in one call: a hundredth of a second in which the server serves nobody else."""

PORTION: Final = 500
"""What is removed or looked at in one step, where it may be a whole backlog."""

FIT: Final = Fit(body=MAX_BODY, row=MAX_ROW, source="the redis adapter's limit")
