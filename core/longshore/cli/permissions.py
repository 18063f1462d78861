"""`longshore permissions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast, get_args

import click

from longshore.cli.command import Command, option
from longshore.cli.filters import flat
from longshore.cli.kinds import NAMES
from longshore.cli.output import to_json
from longshore.errors import ConfigurationError
from longshore.registry import Role, SupportsPermissions, find_adapter, scheme_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.cli.invocation import Invocation
    from longshore.cli.loading import Loaded

VERSION: Final = "2012-10-17"
"""Of the policy language: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html"""


@click.command(
    "permissions",
    cls=Command,
    examples=(
        "permissions worker --app shop:app > worker.json",
        "permissions producer --queue emails",
        "permissions operator | jq -r '.Statement[].Action[]'",
    ),
)
@click.argument("role", type=click.Choice(get_args(Role)))
@option("--queue", "--queues", "queues", type=NAMES, multiple=True, help="Other queues as well.")
@click.pass_obj
def permissions(invocation: Invocation, *, role: Role, queues: tuple[tuple[str, ...], ...]) -> None:
    """Print the policy that lets a role do its work, and no more.

    A producer enqueues, a worker runs tasks and schedules, an operator looks at tasks and changes
    them. The policy is an IAM document in JSON, for the servers of all URLs together, and for the
    queues that settings, routes and the application's tasks name. Nothing is connected to, and
    the same settings give the same text, so that it can be kept and compared.
    """
    loaded = invocation.load()
    names = _queues(loaded, queues)
    found: list[Mapping[str, object]] = []
    without: list[str] = []
    for url in _urls(loaded):
        adapter = find_adapter(url)
        if isinstance(adapter, SupportsPermissions):
            found += adapter.permissions(url, names, role)
        else:
            without.append(scheme_of(url))
            invocation.output.note(f"{scheme_of(url)} has no permissions to be written down")
    if not found:
        message = (
            f"there is no policy to print: of {', '.join(without)} none has permissions to be "
            "written down; give access by what the URL names: a file, or a user and a password"
        )
        raise ConfigurationError(message)
    invocation.output.document({"Version": VERSION, "Statement": merged(found)})


def merged(statements: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Bring statements together, in an order that depends on their contents alone.

    Those that differ in their resources alone become one. Of equal names (`Sid`) the later ones
    get a number, because a document may hold each once.
    """
    by_rest: dict[str, dict[str, object]] = {}
    for statement in map(_sorted, statements):
        rest = to_json({**statement, "Resource": None})
        same = by_rest.setdefault(rest, statement)
        same["Resource"] = sorted({*_texts(same["Resource"]), *_texts(statement["Resource"])})
    ordered = sorted(by_rest.values(), key=to_json)
    return _named_once(ordered)


def _sorted(statement: Mapping[str, object]) -> dict[str, object]:
    parts = dict(sorted(statement.items()))
    return parts | {name: sorted(set(_texts(parts[name]))) for name in ("Action", "Resource")}


def _texts(value: object) -> list[str]:
    return [value] if isinstance(value, str) else list(cast("Sequence[str]", value))


def _named_once(statements: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    seen: dict[object, int] = {}
    for statement in statements:
        name = statement.get("Sid")
        seen[name] = seen.get(name, 0) + 1
        if name is not None and seen[name] > 1:
            statement["Sid"] = f"{name}{seen[name]}"
    return [{**({"Sid": each["Sid"]} if "Sid" in each else {}), **each} for each in statements]


def _queues(loaded: Loaded, more: tuple[tuple[str, ...], ...]) -> list[str]:
    from longshore.cli.work import every_queue  # noqa: PLC0415 - only for commands that run

    return sorted({*every_queue(loaded), *flat(more)})


def _urls(loaded: Loaded) -> list[str]:
    from longshore.wiring import urls_of  # noqa: PLC0415 - asyncio is slow to import

    settings = loaded.settings
    places = [place for queue in settings.queues.values() for place in queue.fetch_from]
    return list(dict.fromkeys((*urls_of(settings), *places)))
