"""What fits: sizes in bytes, chosen for this adapter and stated to its callers."""

from __future__ import annotations

from typing import Final

from longshore.fitting import Fit

MAX_BODY: Final = 16_777_216
"""A message's body. SQLite takes a gigabyte, but a write of it would stand in everybody's way."""

MAX_ROW: Final = 33_554_432
"""What one record or one finish brings into a row: a body and a result, each as long as can be."""

MAX_BATCH: Final = 1000
"""Messages in one call: about a hundredth of a second under the write lock."""

MAX_GROUP: Final = 256
"""Operations committed together; bounds how long the first one waits for the last."""

FIT: Final = Fit(body=MAX_BODY, row=MAX_ROW, source="the sqlite adapter's limit")
