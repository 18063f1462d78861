"""Closing every connection of this process before it forks.

A child inherits SQLite's belief about which locks the process holds, but not the locks. What it
then opens itself, even anew, holds none: when its parent closes the file, the log that the child
writes to is removed under its hands, and what it committed is lost. No connection may be open
at the fork; so all are closed before it, and opened again when they are next needed.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Sequence


class Forkable(Protocol):
    """What holds a connection."""

    def before_fork(self) -> None:
        """Close it, and keep it closed until `after_fork`."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """Open it again when it is needed."""
        ...


class Forks:
    """Tells the holders of connections that this process forks. Safe for use by several threads."""

    def __init__(self) -> None:
        """Start with nobody, and without a hook: what Python calls at a fork stays for ever."""
        self._holders: WeakSet[Forkable] = WeakSet()
        self._told: Sequence[Forkable] = ()
        self._hooked = False
        self._lock = Lock()

    def add(self, *holders: Forkable) -> None:
        """Tell these from now on, for as long as they live."""
        with self._lock:
            if not self._hooked and hasattr(os, "register_at_fork"):
                os.register_at_fork(
                    before=self._before,
                    after_in_parent=self._after_in_parent,
                    after_in_child=self._after_in_child,
                )
            self._hooked = True
            for holder in holders:
                self._holders.add(holder)

    def _before(self) -> None:
        self._lock.acquire()
        self._told = list(self._holders)
        for holder in self._told:
            holder.before_fork()

    def _after_in_parent(self) -> None:
        self._after(in_child=False)

    def _after_in_child(self) -> None:
        self._after(in_child=True)

    def _after(self, *, in_child: bool) -> None:
        told, self._told = self._told, ()
        for holder in told:
            holder.after_fork(in_child=in_child)
        self._lock.release()
