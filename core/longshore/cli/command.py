"""What every command shares: options for the application and the form of the output, and help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import click

from longshore.cli.invocation import Invocation
from longshore.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_SHARED: Final = ("app", "url", "json", "debug")


class Option(click.Option):
    """An option whose short form takes `-s=value` as well as `-s value`, as the originals did."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:  # noqa: ANN401 - as click's
        """Drop the equals sign that click leaves in front of the value."""
        if any(len(name) == len("-s") for name in self.opts):
            value = _without_equals(value)
        return super().type_cast_value(ctx, value)


class Command(click.Command):
    """A command with the shared options, and examples below its help.

    Its callback is given an `Invocation` by `click.pass_obj`.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - click's own, passed through
        examples: Sequence[str] = (),
        **attributes: Any,  # noqa: ANN401 - click's own, passed through
    ) -> None:
        """`examples` are command lines without the leading `longshore `."""
        super().__init__(*args, **attributes)
        self.examples = tuple(examples)
        self.params.extend(shared_options())

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - what the callback answers
        """Put the shared options into an invocation, and call the command with it."""
        shared = take_shared(ctx)
        ctx.obj = Invocation(
            output=Output(json=shared["json"]), app=shared["app"], url=shared["url"]
        )
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples as they are typed, and what older systems called the command."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}longshore {example}\n")
        parent = None if ctx.parent is None else ctx.parent.command
        originals: Callable[[str], Sequence[str]] | None = getattr(parent, "originals", None)
        names = originals(self.name or "") if originals is not None else ()
        if names:
            formatter.write_paragraph()
            formatter.write_text(f"Also called: {', '.join(names)}")


def option(*names: str, **attributes: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - as click's
    """Declare an option, as `click.option` does."""
    return click.option(*names, cls=Option, **attributes)


def shared_options() -> list[click.Parameter]:
    """Make the options that every command has, and that may stand before its name as well."""
    return [
        Option(
            ["--app", "--class", "-c", "app"],
            metavar="MODULE:OBJECT",
            help="The application. Default: LONGSHORE_APP, or `app` in longshore.toml.",
        ),
        Option(["--url"], help="Where queue, log and store are. Default: LONGSHORE_URL."),
        Option(["--json"], is_flag=True, help="Write JSON, for programs."),
        Option(["--debug"], is_flag=True, help="Show where an unexpected error came from."),
    ]


def take_shared(ctx: click.Context) -> dict[str, Any]:
    """Take the shared options out of a call; one that is not said here counts from further left."""
    before = cast("dict[str, Any]", ctx.obj or {})
    return {name: ctx.params.pop(name) or before.get(name) for name in _SHARED}


def _without_equals(value: object) -> object:
    if isinstance(value, str):
        return value.removeprefix("=")
    if isinstance(value, list | tuple):
        return tuple(_without_equals(each) for each in cast("Iterable[object]", value))
    return value
