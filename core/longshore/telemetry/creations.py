"""What an enqueue asks while it makes messages."""

from __future__ import annotations

from typing import Protocol


class Creations(Protocol):
    """Knows what a new task's message is to say of where it was created."""

    def of(self, queue: str, task: str, task_id: str) -> dict[str, str] | None:
        """Answer attributes of the message; never raises."""
        ...
