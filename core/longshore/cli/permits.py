"""What `longshore doctor` says of permissions: for each role, what of its work is denied."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, cast, get_args

from longshore.errors import LongshoreError
from longshore.registry import (
    Finding,
    Role,
    SupportsPermissions,
    SupportsProbe,
    find_adapter,
    scheme_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from longshore.registry import Permit

_FOR_OPERATORS: Final = "as it should be, unless it is an operator who asks"


async def check_permissions(url: str, queues: Sequence[str]) -> Sequence[Finding]:
    """Say for each role what the caller may not do, and what could not be found out."""
    import asyncio  # noqa: PLC0415 - slow to import

    adapter = find_adapter(url)
    if not (isinstance(adapter, SupportsProbe) and isinstance(adapter, SupportsPermissions)):
        return []
    scheme = scheme_of(url)
    try:
        permits = await asyncio.to_thread(adapter.probe, url, queues)
    except LongshoreError as error:
        step = "see: longshore settings"
        return [
            Finding(name=f"permissions of {scheme}", verdict="fail", text=str(error), step=step)
        ]
    return [
        judged(scheme, role, adapter.permissions(url, queues, role), permits)
        for role in get_args(Role)
    ]


def judged(
    scheme: str,
    role: Role,
    statements: Iterable[Mapping[str, object]],
    permits: Sequence[Permit],
) -> Finding:
    """Judge a role. What is lacking to send fails, to work warns, to operate is a remark."""
    needed = {pair for each in statements for pair in _pairs(each)}
    concerned = [each for each in permits if (each.action, each.resource) in needed]
    denied = [each for each in concerned if each.allowed is False]
    unknown = [each for each in concerned if each.allowed is None]
    said = [f"denied: {_listed(denied)}"] if denied else []
    said += [f"not found out: {_listed(unknown)} ({_reasons(unknown)})"] if unknown else []
    name = f"{scheme} as {'an' if role == 'operator' else 'a'} {role}"
    if not denied:
        text = "; ".join(["nothing that it needs is denied", *said])
        return Finding(name=name, verdict="ok", text=text)
    if role == "operator":
        return Finding(name=name, verdict="ok", text=f"{'; '.join(said)}; {_FOR_OPERATORS}")
    step = f"where these credentials are a {role}'s: longshore permissions {role}"
    text = "; ".join(said)
    return Finding(
        name=name, verdict="fail" if role == "producer" else "warn", text=text, step=step
    )


def _pairs(statement: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    actions, resources = _texts(statement["Action"]), _texts(statement["Resource"])
    return ((action, resource) for action in actions for resource in resources)


def _texts(value: object) -> Sequence[str]:
    return [value] if isinstance(value, str) else cast("Sequence[str]", value)


def _listed(permits: Iterable[Permit]) -> str:
    """Name what they have in common once: the actions by resource."""
    by_resource: defaultdict[str, list[str]] = defaultdict(list)
    for each in permits:
        by_resource[each.resource].append(each.action)
    by_actions: defaultdict[str, list[str]] = defaultdict(list)
    for resource, actions in by_resource.items():
        by_actions[", ".join(actions)].append(resource.rpartition(":")[2])
    return "; ".join(f"{what} on {', '.join(where)}" for what, where in by_actions.items())


def _reasons(permits: Iterable[Permit]) -> str:
    return "; ".join(dict.fromkeys(each.text for each in permits))
