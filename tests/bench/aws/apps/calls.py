"""What measured processes leave behind beside the journal: a byte for each request to AWS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.bench import journal

if TYPE_CHECKING:
    from botocore.session import Session


def count() -> None:
    """Note each request to AWS that a botocore client of this process makes from now on."""
    import botocore  # noqa: PLC0415 - only where it is there

    botocore.register_initializer(_listen)


def called() -> None:
    """Note a request that no client of botocore's makes."""
    _called()


def _listen(session: Session) -> None:
    session.register("request-created.sqs", _called)


def _called(**_: object) -> None:
    os.write(journal.opened("BENCH_CALLS"), b".")
