"""The recorder's command line: run one program under observation, list the store, forget."""

import argparse
import contextlib
import io
import os
import re
import shutil
import sys
import time
from pathlib import Path

from recorder import store
from recorder.watch import TIMEOUT, watch


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m recorder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run one program under observation")
    run.add_argument("--json", action="store_true", help="print the recording as JSON")
    run.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds it may take")
    run.add_argument("--hangs", action="store_true", help="it is expected to hang")
    run.add_argument("--svg", type=Path, metavar="FILE", help="write its picture to a file")
    run.add_argument("--python", default=sys.executable, help="the interpreter that runs it")
    run.add_argument("program", type=Path)
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    listing = commands.add_parser("list", help="list the store, with each recording's age")
    forget = commands.add_parser("forget", help="forget recordings")
    forget.add_argument("--all", action="store_true", help="all of them")
    forget.add_argument("programs", nargs="*", metavar="program", help="those of a program")
    for command in (listing, forget):
        command.add_argument("--store", type=Path, default=store.DEFAULT, help="its folder")
    args = parser.parse_args()
    if args.command == "run":
        return run_program(parser, args)
    if args.command == "list":
        return list_recordings(args.store)
    if bool(args.programs) == args.all:
        parser.error("forget takes the names of programs, or --all")
    return max(forget_recordings(args.store, program) for program in args.programs or [""])


def list_recordings(folder: Path) -> int:
    """Print the age of each recording, and its command."""
    for file in store.files_of(folder):
        with contextlib.suppress(FileNotFoundError):  # a build may delete it
            age = time.time() - file.lstat().st_mtime
            recording = store.load(file)
            what = recording.command if recording else "damaged, will not be used"
            print(f"{age / 3600:7.1f} h  {file.stem[-32:][:8]}  {what}")
    return 0


def forget_recordings(folder: Path, program: str) -> int:
    """Delete the recordings of a program, or all; return whether some can't be."""
    files = store.files_of(folder, program)
    left = []
    for file in files:
        try:
            file.unlink(missing_ok=True)  # a build may have deleted it
        except OSError:
            left.append(file)
            print(f"not forgotten: {file}", file=sys.stderr)
    print(f"forgotten: {len(files) - len(left)} {program}".rstrip())
    return int(bool(left))


def run_program(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Run one program, and print what happened."""
    if not args.program.is_file():
        parser.error(f"no such program: {args.program}")
    if not 0 < args.timeout < float("inf"):
        parser.error(f"argument --timeout: {args.timeout} is not a number of seconds above 0")
    method = re.search(r"--start-method[= ](\w+)", " ".join(args.arguments))
    recording = watch(
        args.program,
        args.arguments,
        start_method=method[1] if method else "",
        timeout=args.timeout,
        hangs=args.hangs,
        python=os.path.abspath(shutil.which(args.python) or args.python),
    )
    # Words and pictures are not the recorder's: only its command line asks for them.
    from render import terminal

    if args.svg:
        args.svg.write_text(terminal.picture(recording), encoding="utf-8")
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(recording.to_json() if args.json else terminal.describe(recording, colour))
    return int(recording.ended != ("hang" if args.hangs else "exit"))


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    else:  # it is closed
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = 130
    except OSError as error:
        status = 1  # the reader wants no more
        if not isinstance(error, BrokenPipeError):
            status = 2
            print(f"python -m recorder: error: {error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is unwritten
    sys.exit(status)
