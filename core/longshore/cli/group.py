"""The group of all commands: loads each when it is used, and turns every end into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import click
from click.shell_completion import shell_complete

from longshore.cli.command import shared_options, take_shared
from longshore.cli.commands import ENTRIES, FAMILIES, SECTIONS
from longshore.cli.exit import ExitCode, code_of
from longshore.cli.output import Output, abandon_output, flush
from longshore.errors import LongshoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from longshore.cli.commands import Entry

_JSON: Final = "--json"
_DEBUG: Final = "--debug"
_COMPLETE: Final = "_LONGSHORE_COMPLETE"


class CommandTable(MutableMapping[str, click.Command]):
    """Commands by name, each imported when it is first asked for."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Import nothing yet. Names of two words are gathered into families."""
        self._entries: dict[str, Entry | list[Entry]] = {}
        for entry in entries:
            first, _, rest = entry.name.partition(" ")
            if rest:
                family = cast("list[Entry]", self._entries.setdefault(first, []))
                family.append(replace(entry, name=rest))
            else:
                self._entries[first] = entry
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        """Import the command."""
        if name not in self._loaded:
            found = self._entries[name]
            if isinstance(found, list):
                self._loaded[name] = CommandGroup(found, name=name, help=FAMILIES[name])
            else:
                self._loaded[name] = _imported(found)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        """Add a command, as an extension may."""
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        """Remove a command."""
        known = self._entries.pop(name, None)
        if self._loaded.pop(name, None) is None and known is None:
            raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """List names, those of the table first."""
        return iter(dict.fromkeys((*self._entries, *self._loaded)))

    def __len__(self) -> int:
        """Count commands."""
        return len({*self._entries, *self._loaded})


def _imported(entry: Entry) -> click.Command:
    module, _, attribute = entry.home.partition(":")
    found: object = getattr(import_module(f"longshore.cli.{module}"), attribute)
    return cast("click.Command", found)


class CommandGroup(click.Group):
    """`longshore` itself, and each family of its commands."""

    def __init__(
        self,
        entries: Sequence[Entry] = ENTRIES,
        **attributes: Any,  # noqa: ANN401 - click's own, passed through
    ) -> None:
        """Take the commands from the table."""
        super().__init__(commands=CommandTable(entries), **attributes)
        self.params.extend(shared_options())
        self._entries = entries
        self._names = {old: entry.name for entry in entries for old in entry.originals}
        self._originals = {entry.name: entry.originals for entry in entries}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by its name, or by what an older system called it."""
        return super().get_command(ctx, self._names.get(cmd_name, cmd_name))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - what the command answers
        """Keep shared options that stand before the command for it."""
        ctx.obj = take_shared(ctx)
        return super().invoke(ctx)

    def originals(self, name: str) -> tuple[str, ...]:
        """What older systems called a command."""
        return self._originals.get(name, ())

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing one."""
        del ctx
        width = max(len(entry.name) for entry in self._entries if not entry.hidden)
        for section in SECTIONS:
            rows = [
                (f"{entry.name:<{width}}", entry.summary)
                for entry in self._entries
                if entry.section == section
            ]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)

    def main(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] - click's is overloaded by a mode that is ours to choose
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,  # noqa: ANN401 - click's own, passed through
    ) -> NoReturn:
        """Run a command line and leave the process with its exit code."""
        name = prog_name or self.name or ""
        if wanted := os.environ.get(_COMPLETE):
            sys.exit(shell_complete(self, {}, name, _COMPLETE, wanted))
        words = list(sys.argv[1:] if args is None else args)
        options = words[: words.index("--")] if "--" in words else words
        end = Ending(Output(json=_JSON in options), debug=_DEBUG in options)
        sys.exit(end.of(lambda: self._run(name, words, extra)))

    def _run(self, name: str, words: list[str], extra: Mapping[str, Any]) -> object:
        try:
            with self.make_context(name, words, **extra) as ctx:
                return self.invoke(ctx)
        except click.exceptions.Exit as done:
            return done.exit_code


class Ending:
    """From how a command ended to the process's exit code, with a line that says why."""

    def __init__(self, output: Output, *, debug: bool) -> None:
        """`debug` shows where an unexpected error came from."""
        self._output = output
        self._debug = debug

    def of(self, command: Callable[[], object]) -> int:
        """Run a command; never raises."""
        try:
            code = self._end_of(command)
            flush()
        except BrokenPipeError:
            # Whoever read our output has seen enough, as `head` does.
            abandon_output()
            return ExitCode.OK
        return code

    def _end_of(self, command: Callable[[], object]) -> int:
        try:
            answer = command()
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return ExitCode.USAGE
        except click.ClickException as error:
            return self._say(_usage(error), "UsageError", ExitCode.USAGE)
        except LongshoreError as error:
            self._trace(error)
            return self._say(str(error), type(error).__name__, code_of(error))
        except (click.Abort, KeyboardInterrupt):
            return self._say("interrupted", "Interrupted", ExitCode.INTERRUPTED)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - nobody is to see a traceback unasked
            return self._unexpected(error)
        return answer if isinstance(answer, int) else ExitCode.OK

    def _unexpected(self, error: Exception) -> int:
        self._trace(error)
        hint = "" if self._debug else "; run it again with --debug to see where"
        text = f"unexpected {type(error).__name__}: {error}{hint}"
        return self._say(text, type(error).__name__, ExitCode.UNEXPECTED)

    def _trace(self, error: Exception) -> None:
        if self._debug:
            self._output.traceback(error)

    def _say(self, text: str, kind: str, code: ExitCode) -> int:
        self._output.problem(text, kind=kind)
        return code


def _usage(error: click.ClickException) -> str:
    """A sentence and where to read on, in place of click's block of lines."""
    text = " ".join(error.format_message().split())
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    return text if ctx is None else f"{text.rstrip('.')}; see: {ctx.command_path} --help"
