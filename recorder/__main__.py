"""The recorder's command line: run one program under observation, list the store, forget."""

import argparse
import sys
from pathlib import Path

from recorder import store
from recorder.recording import Recording
from recorder.watch import BOUND, watch


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m recorder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run one program under observation")
    run.add_argument("--json", action="store_true", help="print the recording as JSON")
    run.add_argument("--bound", type=float, default=BOUND, help="seconds it may take")
    run.add_argument("--hangs", action="store_true", help="end it once it stands still")
    run.add_argument("program", type=Path)
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("list", help="list the store, with the age of each recording")
    forget = commands.add_parser("forget", help="forget recordings")
    forget.add_argument("--all", action="store_true", help="all of them")
    forget.add_argument("programs", nargs="*", metavar="program", help="those of a program")
    args = parser.parse_args()
    if args.command == "run":
        if not args.program.is_file():
            parser.error(f"no such program: {args.program}")
        if not args.bound > 0:
            parser.error(f"argument --bound: {args.bound} is not more than 0")
        recording = watch(args.program, args.arguments, bound=args.bound, hangs=args.hangs)
        print(recording.to_json() if args.json else described(recording))
        return int(recording.hung != args.hangs)
    if args.command == "list":
        for file, kept, age in store.kept():
            what = kept.command if kept else "damaged, will not be used"
            print(f"{age / 3600:7.1f} h  {file.stem[-32:][:8]}  {what}")
        return 0
    if bool(args.programs) == args.all:
        parser.error("forget takes the names of programs, or --all")
    for program in args.programs or [""]:
        print(f"forgotten: {store.forget(program)} {program}".rstrip())
    return 0


def described(recording: Recording) -> str:
    """A recording in lines for a terminal."""
    if recording.hung:
        end = f"hung, ended by the recorder after {recording.wall:.2f} s"
    else:
        end = f"exit status {recording.status} after {recording.wall:.2f} s"
    lines = [
        f"$ {recording.command}",
        recording.output,
        f"{end}; {recording.cpu:.2f} s of CPU time, {recording.peak_memory / 2**20:.0f} MiB, "
        f"{recording.left_behind} processes left behind",
    ]
    for process in recording.processes:
        life = f"{process.started:.2f} s to {process.ended:.2f} s"
        lines.append(
            f"{process.role} {process.pid}: {life}, {process.samples[-1][1]:.2f} s CPU"
        )
        lines.extend(f"    {line}" for line in process.stack)
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
