"""What holds for every test: asserts in the kit speak, CI skips nothing, long tests go first."""

from __future__ import annotations

import os
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

# The conformance kit is a plain module to pytest; without this its asserts would fail wordlessly.
pytest.register_assert_rewrite("longshore.conformance", "tests.adapters.walks")

# The venv holds no bytecode until it is used, and tests start hundreds of processes, each of which
# would compile the SDKs anew. `make` does the same.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Whoever starts tests in the background has them ignore what they send to programs of their own.
for number, action in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, action)

# A shared machine is slow at times, and a slow example is no wrong one. On a second Python a few
# examples show what it does otherwise; a mistake of ours is looked for on the first.
settings.register_profile("longshore", deadline=None, print_blob=True)
settings.register_profile("again", settings.get_profile("longshore"), max_examples=25)
settings.load_profile("longshore")

ADAPTER_TESTS = Path(__file__).parent / "adapters"
IN_CI = bool(os.environ.get("CI"))
CAPABILITY = "capability:"
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
LONG = 120.0
"""A test that is given more than this many seconds takes long."""
COSTLY = frozenset({"rabbitmq_of_the_session"})
"""Fixtures of a session that every worker which runs a test with them would set up anew."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of the long tests, so that none is left for the end.

    Those that share what takes long to set up stay together. `--dist worksteal` cuts the list into
    one part for each worker.
    """
    together: defaultdict[object, list[pytest.Item]] = defaultdict(list)
    short: list[pytest.Item] = []
    for item in items:
        shared = COSTLY & set(getattr(item, "fixturenames", ()))
        if shared or allowed(item) > LONG:
            together[min(shared, default=item.path)].append(item)
        else:
            short.append(item)
    shares: list[list[pytest.Item]] = [[] for _ in range(WORKERS)]
    given = [0.0] * WORKERS
    for group in sorted(together.values(), key=longest, reverse=True):
        least = given.index(min(given))
        shares[least] += sorted(group, key=allowed, reverse=True)
        given[least] += longest(group)
    whole = len(items)
    items.clear()
    for number, share in enumerate(shares):
        part = (whole - len(items)) // (WORKERS - number)
        rest = max(0, part - len(share))
        items += share + short[:rest]
        del short[:rest]
    items += short


def longest(group: list[pytest.Item]) -> float:
    """Give what the longest of a group is allowed."""
    return max(map(allowed, group))


def allowed(item: pytest.Item) -> float:
    """Give the seconds of the test's own timeout, or 0."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark else 0.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skipped adapter test fail in CI, where every server must be there.

    A skip whose reason starts with `capability:` stays: the adapter says that it lacks the
    guarantee, and the conformance suite tests that saying so is honest.
    """
    report = yield
    forbid_skip(report, item.path)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Hold whole modules to the same rule as single tests."""
    report = yield
    forbid_skip(report, collector.path)
    return report


def forbid_skip(report: pytest.TestReport | pytest.CollectReport, path: Path) -> None:
    """Turn the skip into a failure that keeps its reason."""
    if not (IN_CI and report.skipped and path.is_relative_to(ADAPTER_TESTS)):
        return
    if hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if reason.startswith(CAPABILITY):
        return
    report.outcome = "failed"
    report.longrepr = f"skipped, which fails in CI: {reason}"
