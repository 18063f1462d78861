"""What fits: sizes in bytes, chosen for this adapter and stated to its callers."""

from __future__ import annotations

from typing import Final

from longshore.fitting import Fit

MAX_BODY: Final = 16_777_216
"""A message's body. A field may have a gigabyte, but the server copies it several times."""

MAX_ROW: Final = 33_554_432
"""What one record or one finish brings into a row: a body and a result, each as long as can be."""

MAX_BATCH: Final = 1000
"""Messages in one call: some tens of milliseconds, during which their rows are locked."""

FIT: Final = Fit(body=MAX_BODY, row=MAX_ROW, source="the postgres adapter's limit")
