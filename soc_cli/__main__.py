"""`./soc COMMAND`: finds soc_cli/commands/COMMAND.py by name and hands the arguments over.

A command module has `app`, a typer.Typer. Only the module that was asked for is imported, so that each command
starts at once; keep heavy imports inside the functions that need them.
"""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches

import typer

from soc_core import registry

PACKAGE = "soc_cli.commands"
KEEPERS = {"up", "collect", "work", "ingest"}  # what these write is logs and secrets: for the owner's eyes alone

# What SQLite and Polars say, with errors of their own, of a disk that is full, broken or not to be written.
STORAGE = ("No space left", "disk is full", "disk I/O error", "readonly database", "unable to open database",
           "disk image is malformed", "file is not a database")


class UsageError(ValueError):
    """What the user asked for cannot be done as asked: one sentence on stderr, exit status 2."""


def overview() -> str:
    """The list of commands, one line each, from the modules' own first docstring lines."""
    lines = ["CitySOC, the operations centre for a city's cyber security 城市网络安全运营中心", ""]
    lines += ["usage: ./soc COMMAND …", ""]
    for name in registry.names(PACKAGE):
        doc = (registry.get(PACKAGE, name).__doc__ or "").strip().splitlines()
        lines.append(f"  {name:<10} {doc[0] if doc else ''}")
    return "\n".join([*lines, "", "./soc COMMAND --help explains one of them."])


def main(argv: list[str]) -> int:
    """Run one command; 0 done, 1 done with findings of failure, 2 bad usage."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    known = registry.names(PACKAGE)
    if argv[0] not in known:
        near = get_close_matches(argv[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "./soc --help lists the commands"
        print(f"soc: no command {argv[0]!r}; {hint}", file=sys.stderr)
        return 2
    if argv[0] in KEEPERS:
        os.umask(0o077)
    app: typer.Typer = registry.get(PACKAGE, argv[0]).app
    try:
        code = typer.main.get_command(app).main(argv[1:], prog_name=f"./soc {argv[0]}", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:  # the last place where it can become a sentence
        return explain(error)


def explain(error: Exception) -> int:
    """One clear sentence for what a user can mend; anything else is a defect of ours and keeps its traceback."""
    from soc_core import logs

    if hasattr(error, "format_message"):  # click's own usage errors
        logs.complain(error.format_message())
    elif any(sign in str(error) for sign in STORAGE):
        cause = str(getattr(error, "orig", None) or error)  # SQLAlchemy wraps what the driver said
        logs.complain(f"the data directory cannot be used: {cause.splitlines()[0]}")
    elif isinstance(error, OSError) and error.filename and error.strerror:  # without "[Errno 2]"
        logs.complain(f"{os.fsdecode(error.filename)}: {error.strerror}")
    elif isinstance(error, (ValueError, LookupError, OSError)) and not isinstance(error, (KeyError, IndexError)):
        logs.complain(str(error))
    else:
        raise error
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
