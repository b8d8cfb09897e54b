"""The command line: one file a verb, each of which parses, calls and prints.

Exit codes: 0 done, nothing above threshold; 1 done, findings; 2 wrong usage; 3 input missing, empty
or unreadable; 4 a fault of gamekeeper itself; 5 done, and nothing could have been found.
"""

import os
import signal
import sys
import traceback
from typing import Any, NoReturn

import typer

from gamekeeper._cli import (
    audit,
    decisions,
    demo,
    demo_live,
    encrypted,
    explain,
    guard,
    hunt,
    inspect_,
    keypair,
    keys,
    list_,
    open_,
    read,
    replay,
    rewrap,
    seal,
    sign,
    simulate,
    verify,
)
from gamekeeper._cli._library_warnings import hide_library_warnings
from gamekeeper.base.errors import GamekeeperError, UsageError
from gamekeeper.base.extras import missing_extra
from gamekeeper.base.text import clean

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Finds, slows and proves the theft of AI models through their API.",
    epilog=(
        "Start: gamekeeper simulate --out traffic; gamekeeper hunt traffic/exchanges.parquet --out"
        " found"
    ),
)
VERBS = (
    read,
    hunt,
    explain,
    guard,
    replay,
    audit,
    seal,
    open_,
    rewrap,
    inspect_,
    sign,
    keypair,
    simulate,
    demo,
    demo_live,
    list_,
)
GROUPS = (encrypted, verify, keys, decisions)
for verb in VERBS:
    app.command(name=verb.NAME)(verb.run)
for group in GROUPS:
    app.add_typer(group.app, name=group.NAME)

_DEBUG = "--debug"


@app.command(
    name="he",
    hidden=True,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def _renamed(context: typer.Context) -> None:
    """Says where the verb `he` went."""
    words = " ".join(["gamekeeper", "encrypted", *context.args])
    raise UsageError(f"`gamekeeper he` is now `gamekeeper encrypted`: {words}")


@app.callback(invoke_without_command=True)
def _every_verb(
    version: bool = typer.Option(False, "--version", help="Print the version."),
    debug: bool = typer.Option(
        False,
        _DEBUG,
        help=(
            "Print where a fault of gamekeeper itself happened, and warnings of libraries; also"
            " after any verb."
        ),
    ),
) -> None:
    del debug  # `main` takes it off the words of every verb
    if version:
        from gamekeeper import __version__

        print(f"gamekeeper {__version__}")
        raise typer.Exit


# Typer keeps click's classes to itself: BadParameter < UsageError < ClickException.
_CallError: Any = typer.BadParameter.__mro__[2]


def main() -> None:
    """Runs the command line and exits."""
    words, is_debugging = _without_debug(sys.argv[1:])
    if not is_debugging:
        hide_library_warnings()
    try:
        code = app(args=words, standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code)
    except _CallError as error:
        error.message = clean(error.message)
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        _end_unread()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            _end_unread()  # typer takes it for code 1, which is a finding
        raise
    except GamekeeperError as error:
        _fail(error)
    except Exception as fault:
        if isinstance(fault, ModuleNotFoundError) and (missing := missing_extra(fault)):
            _fail(missing)
        kind = type(fault).__name__
        print(f"error: a fault of gamekeeper's own: {kind}: {clean(str(fault))}", file=sys.stderr)
        print(
            f"  try       report it with the command and this line; {_DEBUG} prints where",
            file=sys.stderr,
        )
        if is_debugging:
            print(clean(traceback.format_exc()), file=sys.stderr)
        sys.exit(4)


def _end_unread() -> NoReturn:
    """Ends as a program does whose reader has gone, such as `head`: in silence, by SIGPIPE's code.

    What is still buffered goes nowhere, or Python would complain about it at its end.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(128 + signal.SIGPIPE)


def _fail(error: GamekeeperError) -> NoReturn:
    print(error if str(error).startswith("error: ") else f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def _without_debug(words: list[str]) -> tuple[list[str], bool]:
    """The words of a call without `--debug`, and whether it was among them; `--` ends options."""
    end = words.index("--") if "--" in words else len(words)
    options = [word for word in words[:end] if word != _DEBUG]
    return [*options, *words[end:]], len(options) < end
