"""How an application is observed: frozen, given at its start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryOptions:
    """`children`: an attempt that is fresh belongs to its producer's trace, not only linked to it.

    `settling` makes spans of acknowledgements and their like. `baggage` are the keys that travel
    with a task. `xray` has the context written for AWS as well. `depth_every` is how often, in
    seconds, the leader asks how much waits; 0: never. `always` says that all is exported, without
    a variable that asks.
    """

    children: bool = True
    settling: bool = False
    baggage: tuple[str, ...] = ()
    xray: bool = False
    depth_every: float = 15.0
    always: bool = False
