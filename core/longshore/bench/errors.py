"""What keeps a measurement from being one."""

from __future__ import annotations

from longshore.errors import LongshoreError


class MeasurementError(LongshoreError):
    """A process of a measurement ended without an answer."""

    def __init__(self, what: str, exit_code: int, said: str) -> None:
        """`said` is the end of what it wrote to standard error."""
        super().__init__(f"{what} ended with exit code {exit_code} and no answer; it said:\n{said}")
        self.what = what
        self.exit_code = exit_code


class UnknownRowError(LongshoreError):
    """No row of the table has this name or number."""

    def __init__(self, asked: str, known: list[str]) -> None:
        """List the rows."""
        super().__init__(f"no row {asked!r}; give a number or one of: {', '.join(known)}")
        self.asked = asked
