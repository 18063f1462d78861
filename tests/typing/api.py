"""Only type-checked, never run: what checkers know of an application's tasks.

Every wrong call is marked with the error that a checker must give, so that a checker which gives
none fails on the mark instead.
"""

# ruff: noqa: T201

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_type

from longshore import Context, Handle, Longshore, Report, Retry

if TYPE_CHECKING:
    from collections.abc import Coroutine

app = Longshore(url="memory://")


@app.task
def add(left: int, right: int = 1) -> int:
    return left + right


@app.task
async def aadd(left: int, *, right: int = 1) -> float:
    return left + right


@app.task
def with_context(ctx: Context, name: str) -> list[str]:
    return [ctx.task_name, name]


@app.task
async def awith_context(ctx: Context, name: str) -> dict[str, str]:
    return {ctx.task_name: name}


@app.task(queue="mail", priority="high", retry=Retry(attempts=5), timeout="1 minute")
def with_options(address: str) -> None:
    print(address)


@app.task(name="import", retry=3, delay=5, executor="process", memory_limit="1GB", cpu_limit=60)
async def awith_options(ctx: Context, path: str, *rows: int) -> Report:
    return Report.info(ctx.task_name, path=path, rows=list(rows))


@app.task
def variable(*rows: int, **more: float) -> int:
    return len(rows) + len(more)


@app.on("order.placed")
def bound(order: int) -> str:
    return str(order)


@app.on("order.placed")
@app.on("order.changed", source="/billing")
@app.task(retry=5)
async def abound(ctx: Context, order: int) -> bytes:
    return f"{ctx.task_name} {order}".encode()


@app.on("ObjectCreated:*", source="aws:s3")
@app.task
def bound_task(ctx: Context, order: int) -> float:
    return ctx.attempt / order


def plain(number: int) -> str:
    return str(number)


class Send:
    def __init__(self, address: str, copies: int = 1) -> None:
        self.address, self.copies = address, copies

    def run(self) -> int:
        return self.copies


class ASend:
    def __init__(self, address: str) -> None:
        self.address = address

    async def run(self) -> bytes:
        return self.address.encode()


class ASendInContext:
    def __init__(self, address: str) -> None:
        self.address = address

    async def run(self, ctx: Context) -> tuple[str, int]:
        return self.address, ctx.attempt


class SendInContext:
    def __init__(self, address: str) -> None:
        self.address = address

    def run(self, ctx: Context) -> float:
        return ctx.attempt / len(self.address)


@dataclass
class Multiply:
    number: int

    def run(self) -> int:
        return 2 * self.number


send = app.task(Send)
asend = app.task(ASend)
asend_in_context = app.task(queue="mail")(ASendInContext)
send_in_context = app.task(SendInContext)
multiply = app.task(queue="math")(Multiply)
declared = app.task(plain)
bound_class = app.on("mail.wanted")(Send)


def results_have_the_type_of_the_function() -> None:
    assert_type(add.enqueue(1), Handle[int])
    assert_type(add.enqueue(1).result(), int)
    assert_type(aadd.enqueue(1).result(), float)
    assert_type(with_context.enqueue("x").result(), list[str])
    assert_type(awith_context.enqueue("x").result(), dict[str, str])
    assert_type(awith_options.enqueue("x", 1, 2).result(), Report)
    assert_type(variable.enqueue(1, 2, z=1.5).result(), int)
    assert_type(declared.enqueue(1).result(), str)
    assert_type(send.enqueue("a").result(), int)
    assert_type(multiply.enqueue(2).result(), int)
    assert_type(asend.enqueue("a").result(), bytes)
    assert_type(send_in_context.enqueue("a").result(), float)
    assert_type(asend_in_context.enqueue("a").result(), tuple[str, int])
    assert_type(bound.enqueue(1).result(), str)
    assert_type(abound.enqueue(order=1).result(), bytes)
    assert_type(bound_task.enqueue(1).result(), float)
    assert_type(bound_class.enqueue("a").result(), int)
    assert_type(add.using(delay="5m", priority=3).enqueue(1, right=2), Handle[int])
    with_options.enqueue("a@b.c")


async def results_can_be_awaited() -> None:
    assert_type(await add.aenqueue(1), Handle[int])
    assert_type(await (await aadd.aenqueue(1, right=2)).aresult(), float)
    assert_type(await (await awith_context.aenqueue("x")).aresult(timeout=5), dict[str, str])


async def a_direct_call_is_what_the_function_itself_would_be() -> None:
    assert_type(add(1, 2), int)
    waiting: Coroutine[Any, Any, float] = aadd(1)
    assert_type(await waiting, float)
    assert_type(with_context("x"), list[str])
    assert_type(await awith_context("x"), dict[str, str])
    assert_type(declared(1), str)
    assert_type(bound(1), str)
    assert_type(bound_task(order=1), float)
    coming: Coroutine[Any, Any, bytes] = abound(1)
    assert_type(await coming, bytes)


def wrong_arguments_are_refused() -> None:
    add.enqueue()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - left is missing
    add.enqueue("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not an int
    add.enqueue(1, 2, 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - one too many
    add.enqueue(1, wrong=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - no such name
    aadd.enqueue(1, 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - keyword only
    with_context.enqueue()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - name is missing
    with_context.enqueue(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not text
    awith_context.enqueue("x", "y")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - one too many
    with_options.enqueue(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not text
    awith_options.enqueue("x", "y")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - rows are int
    variable.enqueue(z="y")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - more are float
    send.enqueue(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not text
    send.enqueue("a", "b")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not an int
    multiply.enqueue()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - number is missing
    bound.enqueue("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not an int
    abound.enqueue()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - order is missing
    add.using(delay=5).enqueue("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not an int
    add.message("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not an int
    add("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not an int


async def wrong_arguments_are_refused_when_awaited() -> None:
    await add.aenqueue("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not an int
    await aadd.aenqueue()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - left is missing


def wrong_options_are_refused() -> None:
    add.using(prority=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - misspelt
    add.using(key=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not text
    app.task(executor="fork")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType] - no such executor
    app.on(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not text
    app.task(retries=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - no such option


def wrong_results_are_refused() -> None:
    text: str = add.enqueue(1).result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType] - it is an int
    print(text)
