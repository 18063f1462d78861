"""Many items at once, and those of one key after one another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

A = TypeVar("A")
R = TypeVar("R")


async def in_turns(
    asked: Sequence[A], key: Callable[[A], str], work: Callable[[A], Awaitable[R]]
) -> list[R]:
    """Do `work` for each; answers in order. Where some raise, the others are done all the same."""
    if len(asked) == 1:
        return [await work(asked[0])]
    by_key: dict[str, list[int]] = {}
    for place, one in enumerate(asked):
        by_key.setdefault(key(one), []).append(place)
    answers: dict[int, R] = {}

    async def do(places: Sequence[int]) -> None:
        for place in places:
            answers[place] = await work(asked[place])

    became = await asyncio.gather(*map(do, by_key.values()), return_exceptions=True)
    for error in became:
        if isinstance(error, BaseException):
            raise error
    return [answers[place] for place in range(len(asked))]
