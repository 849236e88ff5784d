"""The command line: the table of its commands, their help, and how errors end the program.

Results go to standard output; progress, messages and errors go to standard error, so that `--json` can be piped. A
mistake of the user is one clear line and exit code 2.
"""

import atexit
import gc
import os
import sys
from collections.abc import Container
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
import typer.core
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from clew.cli import interruption
from clew.cli.interruption import exit_code, note_end
from clew.cli.output import OutputError, private_stdout
from clew.cli.supervision import EndedError
from clew.errors import ClewError, ClusterLostError, SettingError, StoppedError

# The module and the summary of each command; a command is imported when it is called.
COMMANDS = {
    "train": ("run_commands", "Train an agent, and grade its policy against the optimum."),
    "evaluate": ("run_commands", "Grade a saved run again, or a policy in a file."),
    "solve": ("run_commands", "Compute the exact optimum of a world, without learning."),
    "compare": ("experiment_commands", "Compare algorithms over many seeds, with a verdict."),
    "sweep": ("experiment_commands", "Find the best settings, and report them on fresh seeds."),
    "generate": ("run_commands", "Generate a maze, and print it or save it to a file."),
    "algorithms": ("list_commands", "List the algorithms and exploration strategies, or show one."),
    "worlds": ("list_commands", "List the worlds that come with Clew, or show the card of one."),
    "runs": ("list_commands", "List run folders and experiments, and how far they are."),
    "info": ("list_commands", "Describe a maze: its size, start, goals and shortest path."),
    "doctor": ("machine_commands", "Check this installation, or a training before it begins."),
    "bench": ("machine_commands", "Measure this machine or cluster, for docs/scaling.md."),
    "play": ("show_commands", "Play one greedy episode of a run, step by step."),
    "render": ("show_commands", "Draw the values and the greedy path of a run."),
    "graph": ("show_commands", "Draw what driver, object store and actors did in a run."),
    "plot": ("show_commands", "Plot learning curves of runs, with 95% intervals over seeds."),
    "serve": ("show_commands", "Serve the web page: paint mazes, and watch them be learned."),
    "completion": ("completion", "Print a script that completes commands and options in a shell."),
}
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


class Reader:
    """Reads the value of a parameter by its parser. Typer's own readers import Pydantic, which takes longer than Typer.

    Args:
        descriptor: of the parameter, as Typer makes it.
    """

    def __init__(self, descriptor: Any) -> None:
        self.parser = descriptor.parameter_info.parser

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value of a text, or of several; defaults are returned as they are."""
        if isinstance(value, list | tuple):
            return [self.coerce(each, param, ctx) for each in value]
        return self.parser(value) if self.parser is not None and isinstance(value, str) else value


typer.core.build_runtime_param = Reader  # type: ignore[attr-defined, assignment]  # not public


class Command(TyperCommand):
    """A command whose help lists its options in groups, and which prints what the library logs."""

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """Parse the command line, and return the context in which the command is run."""
        context = super().make_context(*arguments, **settings)
        from clew.cli.messages import messages

        context.with_resource(messages())
        return context

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an EOFError, which Typer reads as an abort by the user, is that of a damaged file."""
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise OSError(f"a file ends too early: {error}") from error

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group of options."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for parameter in self.get_params(ctx):
            row: Any = parameter.get_help_record(ctx)
            if parameter.param_type_name == "argument":
                groups["Arguments"].append((parameter.metavar or "", row[1]))
            elif row is not None:
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or "Options", []).append(row)
        for group, rows in groups.items():
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)


class CommandGroup(TyperGroup):
    """All commands, each of which is made when it is called, so that `clew --help` costs no more than Typer."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        names: Any = dict.fromkeys(COMMANDS)
        self.commands = names  # among which Typer looks for one similar to a mistyped one

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"clew.cli.{COMMANDS[cmd_name][0]}")
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name, cls=Command, context_settings=SETTINGS)(getattr(module, cmd_name))
        return typer.main.get_command(single)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the names and summaries of all commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


app = typer.Typer(
    cls=CommandGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: the boxes of Rich take longer to import than Typer
    context_settings=SETTINGS,
)


@app.callback(invoke_without_command=True)
def clew(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="print the version")] = False
) -> None:
    """Train agents by reinforcement learning in mazes, and grade them against the exact optimum."""
    if version:
        from clew import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def program() -> None:
    """Run the command line as the program `clew`, which may start a child process, see `clew.cli.supervision`."""
    interruption.is_program = True
    main()


def main() -> None:
    """Run the command line; exit code 2 for a mistake of the user, 128 plus the number of a signal (130 for Ctrl-C)."""
    # Imported modules have many objects that stay; searching them for garbage, and once more at exit, takes 0.2 s.
    gc.set_threshold(200_000)
    atexit.register(gc.freeze)
    if sys.stderr is None:  # was closed by the caller
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        fail("standard output is closed, so nothing can be printed; >/dev/null discards the output", 2)
    with private_stdout():
        try:
            _run()
        except SystemExit as end:
            with suppress(OSError):
                sys.stdout.flush()
            note_end(end.code if isinstance(end.code, int) else 0)
            raise
        except BaseException:  # a bug, whose traceback Python prints
            note_end(1)
            raise


def _run() -> NoReturn:
    """Run the command that the arguments name, and exit."""
    try:
        code = app(prog_name="clew", standalone_mode=False)
        sys.stdout.flush()
        if code == 130:  # Typer has caught a Ctrl-C, and printed nothing
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except EndedError as error:
        fail(str(error), error.code)
    except ClusterLostError as error:
        if interruption.parent_pipe is not None:
            os._exit(1)  # as Ray itself would; the parent says how to go on, see `supervision`
        fail(str(error), 1)
    except StoppedError as error:
        fail(str(error), exit_code())
    except ClewError as error:
        fail(describe_error(error, options_of(sys.argv)), 2)
    except TyperException as error:
        fail(describe_usage(error), 2)
    except MemoryError:
        fail("not enough memory; take a smaller maze, or fewer episodes", 2)
    except (KeyboardInterrupt, typer.Abort):
        fail("stopped", exit_code())
    except BrokenPipeError:
        # The reader of our output is gone, and there must be nothing left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, OutputError):
            fail(f"standard output can't be written: {error.strerror}", 2)
        fail(f"the system refused: {error}", 2)


def fail(message: str, code: int) -> NoReturn:
    """Print an error to standard error, and exit; the first line stands alone, a drawing may follow."""
    with suppress(OSError):  # standard error may be full, or its reader gone
        sys.stderr.write(f"clew: {message.strip()}\n")
    sys.exit(code)


def options_of(words: list[str]) -> set[str]:
    """Return the options of the command that a command line calls."""
    group: Any = typer.main.get_command(app)
    command = group.get_command(None, next(word for word in words if word in COMMANDS))
    return {option for each in command.params for option in each.opts}


def describe_error(error: ClewError, options: Container[str]) -> str:
    """Return the message of an error, with settings called by their options.

    Args:
        error: what was raised.
        options: of the command; other settings keep their names.
    """
    from clew.runs.flags import as_flags, flag

    if not isinstance(error, SettingError):
        return str(error)

    def name_setting(name: str) -> str:
        return flag(name) if flag(name) in options else name

    def assign(name: str, value: Any) -> str:
        return as_flags({name: value}) if flag(name) in options else f"{name}={value!r}"

    return error.describe(name_setting, assign)


def describe_usage(error: TyperException) -> str:
    """Return the message of a mistyped command line; that of a parser of ours is the rest of a sentence."""
    if type(error) is typer.BadParameter and error.param is not None:
        return f"{error.param.opts[0]} {error.message}"
    return error.format_message()


if __name__ == "__main__":
    main()
