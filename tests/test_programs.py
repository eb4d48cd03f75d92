"""What all programs of examples/ promise, tried with each of them as a command in an empty folder.

To add a program, add a row to PROGRAMS. What only one program does is tested in the module of its
name; the programs that fail on purpose, and their fixed twins, are tested in test_faults.py.
"""

import ast
import functools
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.harness import (
    EXAMPLES,
    FOREVER,
    IN_CI,
    START_METHODS,
    RunningProgram,
    copy_of_program,
    cpu_time,
    kill,
    numbers_of,
    on_posix,
    run,
    wait_until,
    with_each,
)
from tests.test_parent_dies import SEEN

WITHOUT_FORK = tuple(method for method in START_METHODS if method != "fork")
FIRST, LAST, ALL = slice(1), slice(-1, None), slice(None)  # which workers are killed
ANYTHING = r"(?s:.*)"
LOST = r"Worker \d \(process ID \d+\) ended without a result, exit code -9\n"
DEAD = r"\w+ ended, exit code -9\n"
ALL_PASSED = "3 passed, 1 skipped" if sys.platform == "win32" else "4 passed"
UNKNOWN = {"--no-such-option": "unrecognized arguments: --no-such-option"}
WORKERS = {"--workers 0": "argument --workers: 0 is not from 1 to 100"}
COUNTING = WORKERS | {
    "--workers 101": "argument --workers: 101 is not from 1 to 100",
    "--workers two": "argument --workers: invalid int value: 'two'",
    "--count -1": "argument --count: -1 is not 0 or more",
    "--count 1.5": "argument --count: invalid int value: '1.5'",
}
CONNECTING = COUNTING | {
    "--connect nowhere": "argument --connect: nowhere is not HOST:PORT",
    "--connect 127.0.0.1:1": "argument --connect: COUNTING_KEY is not in the environment",
}
SWEEPING = "--workers are from 1 to 100, --total is 0 or more, --runs is 1 or more"
STARTING = "--interpreters is 1 or more, --starts is 2 or more"
NO_FILE = "[Errno 2] No such file or directory: 'no/where'"


def counted(workers, count, name=r"Worker \d+", head=""):
    """The pattern of what the counting programs print."""
    line = rf"Process ID: \d+, name: {name}, subtotal: {count:,}\n"
    end = rf"Elapsed: \d+\.\d\d s\nTotal: {workers * count:,}\n"
    return rf"Parent process ID: \d+\n{head}({line}){{{workers}}}{end}"


def table(head, rows):
    """The pattern of a table: how its first line starts, and how many rows of figures it has."""
    return rf"{head}.*\n(?:.+\n)*?(?:\S.*?(?: +[\d,.]+){{3,}}\n| +[\d,.]+(?: +[\d,.]+){{3,}}\n){{{rows}}}"


@dataclass(frozen=True)
class Program:
    """One row: a program, and what it promises."""

    file: str  # below examples/

    # Arguments with which it ends soon, and the pattern of all that it prints then.
    quick: str = ""
    prints: str = ANYTHING
    medians: tuple[int, ...] = ()  # where a median, lowest, highest stand, from the row's end
    count: int | None = None  # what its COUNT is set to first, as it reads no arguments
    methods: tuple[str, ...] = tuple(START_METHODS)  # (): it has no --start-method
    beside: tuple[str, ...] = ()  # programs that must lie beside it, as it imports them

    # Bad arguments, and what it says of them. None: it reads no arguments.
    refuses: dict[str, str] | None = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)  # module: package that it needs

    # Arguments with which it works until it is stopped. None: what it does then is no promise.
    long: str | None = ""
    workers: int = 2  # how many processes then work (a manager is one); 0: only the first
    busy: float = 0.1  # seconds of CPU time that a worker has used when it is surely at work
    before: str = ""  # the pattern of what it may have printed by then

    # Which of the workers are killed, in the order of their starts. None: tested elsewhere.
    killed: slice | None = None
    finite: str = ""  # the arguments for that, if the program goes on without them
    status: int = 1  # its exit status then,
    says: str = ""  # and the pattern of all that it prints, standard error last

    def __str__(self):
        return Path(self.file).stem

    def arguments(self, text, turn=0):
        """The words of `text`, and a start method: each program's next one in each turn."""
        at = PROGRAMS.index(self) + turn
        method = self.methods and ("--start-method", self.methods[at % len(self.methods)])
        return *text.split(), *method


def smallest(file, prints, count: int | None = 1000):
    """The row of one of the smallest programs: they read no arguments, and promise less."""
    return Program(file, prints=prints, count=count, methods=(), refuses=None, long=None)


TOTAL, EACH = r"Elapsed: \d+\.\d\d s\nTotal: 5,000\n", r"Worker {}: 1,000\n"
IN_ORDER = "".join(map(EACH.format, range(1, 6)))
LEAKED = "There appear to be 3 leaked semaphore objects to clean up at shutdown"
SECONDS = r"\d+\.\d\d s\n"
PROGRAMS = [
    smallest(
        "first_steps/nothing_is_shared.py",
        r"in the worker: \[42\]\nin the parent: \[\]\n",
        count=None,
    ),
    smallest("first_steps/one_worker.py", r"Total: 1,000\n"),
    smallest("first_steps/five_workers.py", rf"({EACH.format('[1-5]')}){{5}}{TOTAL}"),
    smallest("first_steps/a_pipe_each.py", IN_ORDER + TOTAL),
    smallest(
        "first_steps/one_dies_pipe.py",
        r"EOFError: worker 1 has sent nothing\n\(2, 'done'\)\n",
        count=None,
    ),
    smallest(
        "first_steps/five_threads.py",
        rf"One loop: {SECONDS}Five threads: {SECONDS}Five processes: {SECONDS}",
    ),
    smallest("patterns/in_order.py", IN_ORDER + TOTAL),
    Program(
        "serial_total.py",
        quick="--workers 3 --count 1000",
        prints=counted(3, 1000, name="MainProcess"),
        methods=(),
        refuses=COUNTING,
        long=f"--count {FOREVER}",
        workers=0,
        before=r"Parent process ID: \d+\n",
    ),
    *(
        Program(
            file,
            quick="--workers 5 --count 100000",
            prints=counted(5, 100_000),
            refuses=COUNTING,
            long=f"--workers 3 --count {FOREVER}",
            workers=3,
            before=r"Parent process ID: \d+\n",
            killed=slice(1, 2),
            says=rf"Parent process ID: \d+\n{LOST}",
        )
        for file in ("queue_totals.py", "pipe_totals.py")
    ),
    Program(
        "worker_sweep.py",
        quick="--workers 1 2 --total 10001 --runs 2",
        prints=table("Counting to 10,001 in all, with ", 2),
        medians=(-6, -3),
        refuses={
            "--workers 0 1": SWEEPING,
            "--workers 1 101": SWEEPING,
            "--total -1": SWEEPING,
            "--runs 0": SWEEPING,
            "--workers 1,2": "argument --workers: invalid int value: '1,2'",
            "--csv no/where": NO_FILE,
        },
        long=f"--workers 2 --total {FOREVER}",
        before=r"Counting to .+\n",
        killed=FIRST,
        says=r"Counting to .+\na worker ended without a result\n",
    ),
    Program(
        "start_cost.py",
        quick="--interpreters 1 --starts 2",
        prints=table(" +milliseconds", 2 * len(START_METHODS)),
        medians=(-3,),
        methods=(),
        refuses={
            "--interpreters 0": STARTING,
            "--starts 1": STARTING,
            "--csv no/where": NO_FILE,
        },
        long="--starts 1000000",
        workers=1,
        killed=FIRST,  # the interpreter in which it measures
        says=rf"{START_METHODS[0]}: a process ended before it was measured\n",
    ),
    Program(
        "beyond/listener_client.py",
        quick="--count 1000",
        prints=counted(
            5,
            1000,
            head=r"Listening on 127\.0\.0\.1:\d+\nWith a wrong key: digest sent was rejected\n",
        ),
        refuses=CONNECTING,
        long=f"--workers 2 --count {FOREVER}",
        before=ANYTHING,
        killed=FIRST,
        finite="--workers 2 --count 5000000",
        status=0,
        says=counted(5, 5_000_000, head="Listening on .+\nWith a wrong key: .+\n"),
    ),
    Program(
        "beyond/manager_queue.py",
        quick="--count 1000",
        prints=counted(
            5,
            1000,
            head=r"Listening on 127\.0\.0\.1:\d+\nWith a wrong key: digest sent was rejected\n",
        ),
        refuses=CONNECTING,
        long=f"--workers 2 --count {FOREVER}",
        workers=3,
        before=ANYTHING,
        killed=slice(1, 2),  # the first one is the manager
        finite="--workers 2 --count 5000000",
        status=0,
        says=counted(5, 5_000_000, head="Listening on .+\nWith a wrong key: .+\n"),
    ),
    Program(
        "beyond/dask_queue.py",
        quick="--workers 1 --count 1000",
        prints=counted(5, 1000, name=".+"),
        methods=WITHOUT_FORK,
        refuses=COUNTING
        | {
            "--scheduler nowhere": "argument --scheduler: nowhere is not tcp://HOST:PORT",
        },
        packages={"distributed": "distributed"},
        long=f"--workers 2 --count {FOREVER}",
        busy=1.5,  # importing alone takes up to 1 s, and Dask gives up if one dies meanwhile
        before=ANYTHING,
        killed=FIRST,
        finite="--workers 2 --count 25000000",
        status=0,
        says=counted(5, 25_000_000, name=".+"),
    ),
    Program(
        "channels/throughput.py",
        quick="--budget 0.05",
        prints=table("Start method ", 33),
        medians=(-4,),
        refuses={
            "--budget 0": "argument --budget: 0 is not more than 0, up to 3600",
            "--budget nan": "argument --budget: nan is not more than 0, up to 3600",
        },
        long="--budget 1000",
        workers=3,
        killed=LAST,
        says=DEAD,
    ),
    Program(
        "channels/latency.py",
        quick="--budget 0.01 --rounds 2",
        prints=table("Start method ", 8),
        medians=(-6, -3),
        refuses={"--budget -1": "argument --budget: -1 is not more than 0, up to 3600"},
        long="--budget 1000",
        workers=3,
        killed=LAST,
        says=DEAD,
    ),
    Program(
        "channels/old_answer.py",
        quick="--scale 0.001 --rounds 1",
        prints=table("Start method ", 12),
        medians=(-3,),
        refuses={
            "--scale 0": "argument --scale: 0 is not from 0.0001 to 10",
            "--rounds 0": "argument --rounds: 0 is not from 1 to 1000",
        },
        long="--scale 10",
        killed=LAST,
        says=DEAD,
    ),
    Program(
        "channels/batch.py",
        quick="--items 1000 --rounds 2",
        prints=table("Items of 8 bytes: 1,000, start method ", 4),
        medians=(-4,),
        refuses={
            "--batches 1,x": "argument --batches: '1,x' is not like 1,10",
            "--batches 0": "argument --batches: 0 are not all 1 or more",
            "--items 0": "argument --items: 0 is not from 1 to 10000000",
            "--rounds 0": "argument --rounds: 0 is not 1 or more",
        },
        long="--rounds 1000000",
        killed=LAST,
        says=DEAD,
    ),
    Program(
        "channels/reuse_buffer.py",
        quick="--size 1000 --messages 9 --rounds 2",
        prints=table("Messages of 1,000 bytes: 9, start method ", 4),
        medians=(-5,),
        refuses={"--size 0": "argument --size: 0 is not from 1 to 1073741824"},
        long="--rounds 1000",
        killed=LAST,
        says=DEAD,
    ),
    Program(
        "channels/shared_ring.py",
        quick="--messages 30 --size 10000",
        prints=r"(consumer [01]: 30 messages, checksum [0-9a-f]{8}\n){2}",
        refuses={
            "--size 0": "argument --size: 0 is not from 1 to 1073741824",
            "--consumers 51": "argument --consumers: 51 is not from 1 to 50",
        },
        long="--messages 1000000000",
        killed=LAST,
        says=rf"{ANYTHING}consumer [01] ended, exit code -9\n",
    ),
    Program(
        "channels/ring_throughput.py",
        quick="--amount 16777216 --rounds 2",
        prints=table("Messages of 1,048,576 bytes, 4 slots, start method ", 5),
        medians=(-5,),
        refuses={"--slots 0": "argument --slots: 0 is not from 1 to 100"},
        beside=("channels/shared_ring.py",),
        long="--rounds 1000",
        killed=LAST,
        says=DEAD,
    ),
    Program(
        "channels/peers.py",
        quick="--budget 0.05",
        prints=rf"(.+\n)*{table('Start method ', 16)}",
        medians=(-4,),
        refuses={"--budget 0": "argument --budget: 0 is not more than 0, up to 3600"},
        packages={"zmq": "pyzmq"},
        long="--budget 1000",
        before=ANYTHING,
        killed=LAST,
        says=rf"{ANYTHING}{DEAD}",
    ),
    Program(
        "faults/dead_worker_errors.py",
        prints=r"recv\(\) from a Pipe\(duplex=False\): EOFError\n"
        r"recv\(\) from a Pipe\(\), nothing unread: EOFError\n"
        r"recv\(\) from a Pipe\(\), a request unread: ConnectionResetError .+\n"
        r"send\(\) to the dead: BrokenPipeError .+\n",
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "questions/queue_kinds.py",
        prints=r" +Queue +JoinableQueue +SimpleQueue\n"
        r"put\(\), nobody reads( +returns){2} +waits\n"
        r"who pickles( +QueueFeederThread){2} +MainThread\n"
        r"put\(\) of a Lock( +returns, prints){2} +raises TypeError\n"
        r"get\(timeout=...\)( +raises Empty){2} +raises TypeError\n"
        r"more than maxsize( +raises Full){2} +raises TypeError\n"
        r"put\(\) after close\(\)( +raises ValueError){2} +raises OSError\n"
        r"join\(\) +has none +returns +has none\n\n"
        r"(\w+:\n  .+\n){3}\n"
        r"queue\.Queue with shutdown: (yes|no)\n"
        r"multiprocessing\.Queue with shutdown: no\n",
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "questions/queue_end.py",
        prints=r"Sentinel: 30 of 30 tasks done\nEvent: [12]?\d of 30 tasks done\n",
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "questions/shared_state.py",
        quick="--updates 10 --rounds 2",
        prints=r"updates a second +median +lowest +highest +x dict\n"
        r"(\S.*?( +[\d,.]+){4}\n){6}Updates lost: 0\n",
        medians=(-4,),
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "questions/exit_codes.py",
        prints=r"the worker +exitcode   standard error\n"
        r"return 5 +0\nsys\.exit\(\) +0\nsys\.exit\(3\) +3\nsys\.exit\(256\) +(0|256)\n"
        r"sys\.exit\(\"no input\"\) +1   no input\n"
        r"int\('x'\) +1   ValueError: .+\nCtrl-C +1   KeyboardInterrupt\nos\._exit\(4\) +4\n"
        r"os\.abort\(\) +(-6|\d+)   Fatal Python error: Aborted\n"
        r"read address 0 +(-1[01]|1)   .+\nterminate\(\) +-?15\nkill\(\) +-?9\n",
        methods=tuple(START_METHODS),
        long=None,
    ),
    smallest(
        "questions/leaked_semaphores.py",
        rf"(fork: no warning\nforkserver: {LEAKED}\n)?spawn: ({LEAKED}|no warning)\n",
        count=None,
    ),
    Program(
        "questions/death_errors.py",
        prints=ANYTHING
        if sys.platform == "win32"  # its errors are others
        else r"It had sent nothing\n"
        r"  recv\(\), Pipe\(duplex=False\): EOFError\n  recv\(\), Pipe\(\): EOFError\n"
        r"  poll\(\), Pipe\(\): returns True\n  send\(\), Pipe\(\): BrokenPipeError .+\n"
        r"It had sent the beginning of a message\n  recv\(\): OSError: got end of file .+\n"
        r"It had not read a request\n  recv\(\): ConnectionResetError .+\n"
        r"It had a Queue\n  get\(timeout=0\.1\): Empty\n"
        r"It was the process of a Manager\n  a further call of a proxy: BrokenPipeError .+\n"
        r"  a new dict\(\): ConnectionRefusedError .+\n"
        r"It was a worker of a ProcessPoolExecutor\n  result\(\): BrokenProcessPool\n",
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "questions/pool_ends.py",
        prints=r" +tasks done   their callers get\n"
        r"Pool: close\(\), join\(\) +12 of 12     a result\n"
        r"(Pool: (terminate\(\)|end of with) +\d of 12     a result, no answer, ever\n){2}"
        r"(Executor: (shutdown\(\)|end of with) +12 of 12     a result\n){2}"
        r"Executor: cancel_futures +\d+ of 12     CancelledError, a result\n"
        r"(Executor: (terminate|kill)_workers\(\)(: not in this Python; 3\.14 and newer have it"
        r"| +\d of 12     BrokenProcessPool, CancelledError, a result)\n){2}",
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "questions/pool_ahead.py",
        prints=r"Taken of 1,000 inputs before the first result:\n"
        r"Pool\.imap\(\): 1,000\nExecutor\.map\(\): 1,000\n"
        r"Executor\.map\(buffersize=4\): (5|not in this Python; 3\.14 and newer have it)\n"
        r"map_ahead\(\): 5\n",
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "questions/system_facts.py",
        prints=r"System: \w+\nStart methods: \w+ \(default\)(, \w+)*\n"
        r"Exit code after terminate\(\): -15\nExit code after kill\(\): (-9|-15)\n"
        r"An end of a Pipe: (Pipe)?Connection\nselect\(\) on it: (works|\w+Error)\n"
        r"qsize\(\): (0|NotImplementedError)\nLargest maxsize: [\d,]{6,}\n"
        r"Longest name of shared memory: \d+\nSignals: \d+, SIGKILL: (True|False)\n"
        r"os\.sched_getaffinity\(\): (True|False)\n",
        methods=(),
        long=None,
        refuses=None,
    ),
    Program(
        "questions/cpu_limits.py",
        prints=r"os\.cpu_count\(\): \d+\n(len\(os\.sched_getaffinity\(0\)\): \d+\n)?"
        r"os\.process_cpu_count\(\): (\d+|not in this Python; 3\.13 and newer have it)\n"
        r"Quota: ([\d.]+|none)\nUsable: [1-9]\d*\n"
        r"(/dev/shm: [\d,]+ MiB, free: [\d,]+ MiB\n)?",
        methods=(),
        long=None,
        refuses=None,
    ),
    Program(
        "faults/join_before_get_size.py",
        prints=r"(workers: [15], join\(\) returns up to [\d,]+ bytes each, hangs from [\d,]+\n){2}",
        methods=tuple(START_METHODS[:1]),  # the others take long
        long=None,
    ),
    Program(
        "faults/pool_exception_cpu.py",
        prints=r"Thread-\d+ \(_handle_results\): .+ missing 1 required positional argument.+\n"
        r"Used: \d\.\d\d s\n"
        r"AssertionError: Cannot have cache with result_handl?er not alive\n",
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "faults/open_files_count.py",
        prints=r"Pipe: 2\n(.+: \d\n){6}",
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "faults/pool_deaths.py",
        prints=r"ValueError: Pool: ValueError, executor: ValueError\n"
        r"sys\.exit\(3\): Pool: no answer, executor: SystemExit\n"
        r"os\._exit\(3\): Pool: no answer, executor: BrokenProcessPool\n"
        r"SIGKILL: Pool: no answer, executor: BrokenProcessPool\n"
        r"an exception that can't be rebuilt: executor: BrokenProcessPool\n",
        methods=tuple(START_METHODS),
        long=None,
    ),
    Program(
        "recipes/who_waits.py",
        quick="-- sleep 0.1",
        prints=r"It has ended, exit status 0: nobody was stuck\.\n",
        methods=(),
        refuses={
            "": "one of PID, NAME, -- COMMAND is needed",
            "1 -- sleep 1": "one of PID, NAME, -- COMMAND is needed",
        },
        long="-- sleep 600",
        workers=1,
        busy=0,
        before=r"(.+: nobody is stuck\.\n\n.+\n)?",  # what was seen, if there was time to look
    ),
    Program(
        "recipes/work_queue.py",
        prints=r"(Job [1-4]: done, \d+ \(attempts: 1\)\n){4}"
        r"Job 5: failed, ValueError: this job always fails \(attempts: 1\)\n"
        r"(Job [678]: done, \d+ \(attempts: 1\)\n){3}"
        r"Job 9: failed, ChildProcessError: the worker ended, exit code 1 \(attempts: 2\)\n"
        r"(Job 1[012]: done, \d+ \(attempts: 1\)\n){3}"
        r"Job 13: failed, TimeoutError: not done within 0.5 s \(attempts: 1\)\n"
        r"(Job (1[4-9]|20): done, \d+ \(attempts: 1\)\n){7}Jobs: 20, failed: 3\n",
        refuses={
            "--jobs 0": "argument --jobs: 0 is not 1 or more",
            "--workers x": "argument --workers: invalid int value: 'x'",
        },
        long="--jobs 1000000000",
        workers=3,
        busy=0,
        before=ANYTHING,
    ),
    Program(
        "recipes/task_queue.py",
        prints=r"Producers: 2, consumers: 3, sentinels: 3\nTasks done: 60\n"
        r"Sum of the squares: 73,810\n",
        refuses={
            "--maxsize 0": "argument --maxsize: 0 is not from 1 to 30",
            "--tasks -1": "argument --tasks: -1 is not 0 or more",
        },
        long="--tasks 1000000000",
        workers=5,
        killed=LAST,
        says=r".+ ended too early, exit code -9\n",
    ),
    Program(
        "recipes/task_queue_joinable.py",
        prints=r"Workers: 3, first tasks: 1\nTasks done: 1,000\nSum of the tasks: 500,500\n",
        refuses={
            "--workers 31": "argument --workers: 31 is not from 1 to 30",
            "--tasks 0": "argument --tasks: 0 is not 1 or more",
        },
        long="--tasks 1000000000",
        workers=3,
        killed=LAST,
        says=r".+ ended too early, exit code -9\n",
    ),
    Program(
        "recipes/one_to_many.py",
        quick="--frames 30",
        prints=r"viewer: 30 frames, the brightest \d+\n"
        r"archive: 30 frames, checksum [0-9a-f]{8}\nFrames a second: \d+\n",
        refuses={"--slots 256": "argument --slots: 256 is not from 1 to 255"},
        beside=("channels/shared_ring.py",),
        long="--frames 1000000000",
        workers=3,
        killed=LAST,
        says=DEAD,
    ),
    Program(
        "recipes/shared_memory_life.py",
        prints=r"name and memory:\n(  .+\n){3}(.+:\n(  .+\n)+)+",
        workers=1,  # the process of a scene
        busy=0,
        before=ANYTHING,
    ),
    Program(
        "recipes/stop_workers.py",
        quick="--patience 0.5",
        prints=r"Way +Ended after +Exit code +finally ran +Queue usable\n"
        r"(\S.*?  +(\d+ ms|not at all)  +-?\d+  +(yes|no)  +(yes|no)\n){5,6}",
        refuses={
            "--task 2": "argument --task: 2.0 is not from 0 to 1",
            "--patience 0": "argument --patience: 0.0 is not above 0 and up to 60",
        },
        long="--patience 60",
        busy=0,
        before=ANYTHING,
    ),
    Program(
        "recipes/work_queue_throughput.py",
        quick="--budget 0 --workers 1",
        prints=r"Start method .+\n(joblib .+\n)?job +way +jobs/s +lowest +highest +of ideal\n"
        r"((0|100 µs|10 ms) +\S.*?( +[\d,]+){3} +([\d.]+%)?\n){18,}",
        methods=tuple(START_METHODS[:1]),  # it takes some seconds
        refuses={
            "--budget 601": "argument --budget: 601.0 is not from 0 to 600",
            "--workers 0": "argument --workers: 0 is not from 1 to 60",
        },
        beside=("recipes/work_queue.py",),
        long="--budget 600",
        busy=0,
        before=ANYTHING,
    ),
    Program(
        "recipes/service.py",
        quick="7 8 slow 9 die 10 --limit 0.5",
        prints=r"7: 49\n8: 64\nslow: no reply, too late\n9: 81\n"
        r"die: no reply, its worker ended, exit code 1\n10: 100\n",
        refuses={
            "--workers 31": "argument --workers: 31 is not from 1 to 30",
            "--limit nan": "argument --limit: nan is not above 0 and up to 60",
        },
        long="slow slow slow slow --limit 60",
        busy=0,
        before=ANYTHING,
    ),
    Program(
        "recipes/asyncio_pipe.py",
        quick="--messages 2 --pause 0.01",
        prints=r"((Pipe|Queue), .+: longest pause of the loop \d+\.\d ms\n){5}",
        refuses={
            "--messages -1": "argument --messages: -1 is not 0 or more",
            "--pause nan": "argument --pause: nan is not from 0 to 1",
        },
        long="--messages 1000000000",
        workers=1,
        busy=0,
        killed=FIRST,
        says=r"the worker ended too early, exit code -9\n",
    ),
    Program(
        "recipes/request_reply.py",
        prints=r"(Request \d: .+\n)*Request 2: no reply within 0.2 s\n(Request \d: .+\n)*"
        r"Request 2: the reply, too late\n(Request \d: .+\n)*Request 5: 25\n"
        r"(Request \d: .+\n)*Replies in time: 5 of 6\n",
        refuses=WORKERS | {"--slow nan": "argument --slow: nan is not from 0 to 60"},
        long="--slow 60",
        workers=3,
        busy=0,
        before=ANYTHING,
        killed=ALL,
        status=0,
        says=rf"{ANYTHING}Request 5: no reply, its worker died\n{ANYTHING}",
    ),
    Program(
        "recipes/many_pipes.py",
        quick="--messages 300",
        prints=r"((Chatty: 300|Quiet: 10|Dying: 5) messages\n"
        r"|(Chatty|Quiet): ended, exit code 0\n|Dying: ended, exit code 3\n){6}"
        r"(\w+: longest wait \d+\.\d ms\n){3}",
        refuses={"--messages -1": "argument --messages: -1 is not 0 or more"},
        long="--messages 1000000000",
        workers=1,
        before=ANYTHING,
        killed=FIRST,
        status=0,
        says=rf"{ANYTHING}Chatty: ended, exit code -9\n{ANYTHING}",
    ),
    Program(
        "recipes/progress.py",
        quick="--steps 5",
        prints=r"(Worker [123] \S+ 5/5\s*\n){3}Finished, in this order: \d \d \d\n",
        refuses=WORKERS | {"--steps 0": "argument --steps: 0 is not 1 or more"},
        packages={"rich": "rich"},
        long="--steps 1000000000",
        workers=3,
        busy=0,
        before=ANYTHING,
        killed=ALL,
        says=rf"{ANYTHING}Worker [123] ended before its work did, exit code -9\n",
    ),
    Program(
        "recipes/logging_to_one_file.py",
        quick="--lines 100",
        prints=r"(Worker \d: ended, exit code 0\n){8}"
        r"Lines in the file: 800, lost or broken: 0\n",
        refuses=WORKERS | {"--lines -1": "argument --lines: -1 is not 0 or more"},
        long="--lines 1000000000",
        workers=8,
        busy=0,
        killed=ALL,
        says=r"(Worker \d: ended, exit code -9\n){8}Lines in the file: .+, lost or broken: .+\n",
    ),
    Program(
        "recipes/stop_early.py",
        quick=f"--number {1009 * 1000003}",
        prints=r"(Worker \d: [\d,]+ candidates, found (None|1009)\n){3}First: 1009\n",
        refuses=WORKERS | {"--number 1": "argument --number: 1 is not 2 or more"},
        long=f"--number {2**61 - 1}",  # a prime
        workers=3,
        killed=ALL,
        says=r"(Worker \d ended without a word, exit code -9\n){3}"
        r"nothing found, but not all is searched\n",
    ),
    smallest(
        "questions/default_start_method.py",
        rf"Default: {START_METHODS[0]}\nAll: {', '.join(sorted(START_METHODS))}\n",
        count=None,
    ),
    Program(
        "questions/large_messages.py",
        quick="--rounds 1",
        prints=r"Message: 16 MiB\nMedian: .+ MiB/s\nFrom: .+ to .+ MiB/s\n",
        methods=(),
        long=None,
    ),
    Program(
        "questions/thread_at_import.py",
        prints=r"worker: got the lock\n",
        methods=("spawn",),  # under the others it may hang: see runs.toml
        long=None,
    ),
    Program(
        "questions/who_imports.py",
        quick="--start-method spawn",
        prints=r"parent: imports this file\n([\w ]+: imports this file\n)?worker 1: works\n"
        r"(worker 2: imports this file\n)?worker 2: works\n",
        methods=(),
        refuses=None,  # it has printed before it reads them
        long=None,
    ),
    Program(
        "questions/five_ways.py",
        quick="--count 1000",
        prints=rf"Global interpreter lock: (yes|no)\nLoop: {SECONDS}Threads: {SECONDS}"
        rf"Interpreters: (none\n|{SECONDS})Processes: {SECONDS}Total: 5,000 each time\n",
        methods=(),
        long=None,
    ),
    Program(
        "recipes/testing_processes.py",
        prints=rf"{ANYTHING}\b{ALL_PASSED}.*\n",
        packages={"pytest": "pytest"},
        workers=1,
        busy=0,
        before=ANYTHING,
    ),
    Program(
        "recipes/pool_or_not.py",
        prints=r"ProcessPoolExecutor: \[1, 4, 9, 16, 25, 36\]\nPool: \[1, 4, 9, 16, 25, 36\]\n"
        r"ProcessPoolExecutor, worker killed: BrokenProcessPool\n"
        r"Pool, worker killed: no result after 0.5 s\n",
        refuses={
            "--jobs 0": "argument --jobs: 0 is not 1 or more",
            "--patience nan": "argument --patience: nan is not above 0 and up to 60",
        },
        long="--patience 60",
        busy=0,
        before=ANYTHING,
    ),
    # Questions, first half
    Program(
        "questions/return_value.py",
        prints=r"result: 12\nexception: ValueError: -1 has no square root\n",
        long=None,
    ),
    Program(
        "questions/return_value_process.py",
        prints=r"return: exit code 0, and no result\nsys\.exit\(400\): exit code (144|400)\n"
        r"Pipe: 400\nQueue: \{20: 400, 21: 441, 22: 484\}\n",  # Windows keeps all of the code
        long=None,
    ),
    Program(
        "questions/slower.py",
        quick="--tasks 8 --rounds 1",
        prints=r"Workers: \d+, start method \w+\nTheir start: \d+ ms\n"
        r" +task .+\n( +10*(,000)?( +[\d,.]+ µs){3}( +\d+\.\d{3}){2}\n){5}"
        r"argument, .+\n( +10*(,000)+( +[\d,.]+ µs){2} +\d+\.\d{3}\n){5}"
        r"One by one workers pay from: (.+)\n"
        r"In chunks workers pay from: (.+)\nWith arguments workers pay up to: (.+)\n",
        long=None,
    ),
    Program(
        "questions/back_pressure.py",
        quick="--items 12",
        prints=r"seconds +no maxsize, MiB +maxsize=8, MiB\n( +\d+\.\d\d( +\d+\.\d){2}\n){21}"
        r"(Without maxsize at most: .+ MiB\n)(Without maxsize all were .+ s\n){2}"
        r"(With maxsize at most: .+ MiB\n)(With maxsize all were .+ s\n){2}",
        long=None,
    ),
    Program(
        "questions/how_large.py",
        quick="--mib 4 --largest 16777216",
        prints=r"(On Windows .+\n|5 bytes, header: 00000005\n"
        r"2,147,483,647 bytes, header: 7fffffff\n"
        r"2,147,483,648 bytes, header: ffffffff 00000000 80000000\n)"
        r"Arrived: 16,777,216 bytes\nIts receiver had: (nan|1[5-9]|2\d) MiB\n"
        r"4 MiB by: .+\n(\S.+?( +[\d.]+| +nan){2}\n){4}",
        long=None,
    ),
    Program(
        "questions/measuring.py",
        quick="--count 1000 --rounds 2",
        prints=r"2 workers count to 1,000 each, start method \w+\n"
        r"Around start: [\d.]+ ms\nCPU time of the parent: [\d.]+ ms\n"
        r"Workers that failed: [\d.]+ ms\n(Well (first run|median|lowest|highest): [\d.]+ ms\n){4}"
        r"A message of 8,388,608 bytes on a Queue\nAround put: [\d.]+ ms\n"
        r"(Until there (first run|median|lowest|highest): [\d.]+ ms\n){4}"
        r"time may be set: True\nperf_counter may be set: False\n",
        long=None,
    ),
    Program(
        "questions/numpy_arrays.py",
        quick="--mib 1 --rounds 2",
        prints=table("Messages of 1,048,576 bytes, start method ", 6),
        medians=(-4,),
        packages={"numpy": "numpy"},
        long=None,
    ),
    Program(
        "questions/numpy_closed.py",
        prints=r"read_array: exit code (-\d+|3221225477)\nsum: 0\.0\n"
        r"read_kept_array: exit code 0\n",
        packages={"numpy": "numpy"},
        long=None,
    ),
]
if sys.version_info >= (3, 14):
    PROGRAMS.append(
        Program(
            "questions/interpreter_queue.py",
            quick="--count 1000",
            prints=r"(Subinterpreter [1-5]: 1,000\n){5}Total: 5,000\n",
            methods=(),
            long=None,
        )
    )
if sys.platform != "win32":  # these are about signals and the fork server
    PROGRAMS += [
        Program(
            "questions/ctrl_c_unblocked.py",
            prints=r"Ctrl-C is (still|no longer) blocked\n",
            long=None,
        ),
        Program(
            "questions/inherited.py",
            prints=r"Global variable: .+\nOpen file: .+\nEnvironment variable: .+\n"
            r"Blocked signal: .+\nWorking directory: changed\nsys.path: changed\n",
            long=None,
        ),
        Program(
            "questions/preload.py",
            quick="--preload asyncio",
            prints=r"First: \d+ ms\nLater: \d+ ms\n",
            methods=(),
            long=None,
        ),
    ]
# Outside of CI neither Dask, which takes 2 s to import (test_beyond.py kills a worker of it), nor,
# of those with a worker that is killed, the ones whose parent is killed.
DASK = () if IN_CI else ("beyond/dask_queue.py",)
ELSEWHERE = DASK if IN_CI else (*SEEN, *DASK)
STOPPED = [one for one in PROGRAMS if one.long is not None and one.file not in DASK]
KILLED = [one for one in PROGRAMS if one.killed and one.file not in ELSEWHERE]


@on_posix
def test_every_program_has_one_row():
    files = {file.relative_to(EXAMPLES).as_posix() for file in EXAMPLES.rglob("*.py")}
    # test_faults.py runs those that are stuck, and render/pythons.py the one that crashes
    apart = r"first_steps/one_dies\.py|questions/(where_stuck|crash)\.py"
    if sys.version_info < (3, 14):
        apart += r"|questions/interpreter_queue\.py"
    others = rf"faults/.*_(broken|fixed)\.py|{apart}|(.*/)?__init__\.py"
    files = [file for file in files if not re.fullmatch(others, file)]
    assert sorted(program.file for program in PROGRAMS) == sorted(files)


def copy_of(folder, program):
    """Copy a program and what it imports; set its COUNT where the row says so."""
    for imported in program.beside:
        copy_of_program(folder, imported)
    file = copy_of_program(folder, program.file)
    if program.count:
        text, found = re.subn("(?m)^COUNT = .+$", f"COUNT = {program.count}", file.read_text())
        assert found == 1
        file.write_text(text)
    return file


def methods_to_try(program):
    """Each start method of a program in CI, elsewhere the next one for each program."""
    if IN_CI or not program.methods:
        return program.methods or [None]
    return [program.methods[PROGRAMS.index(program) % len(program.methods)]]


@pytest.mark.parametrize(
    ("program", "method"),
    [(program, method) for program in PROGRAMS for method in methods_to_try(program)],
    ids=str,
)
def test_prints_what_it_should(tmp_path, program, method):
    arguments = ("--start-method", method) if method else ()
    file = copy_of(tmp_path, program)
    status, out, err = run(tmp_path, file, *program.quick.split(), *arguments)
    assert (status, err) == (0, "")
    assert re.fullmatch(program.prints, out), out
    for at in program.medians:
        rows = [numbers_of(line)[at:][:3] for line in out.splitlines()]
        rows = [row for row in rows if len(row) == 3]
        assert rows and all(0 < low <= median <= high for median, low, high in rows), out
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {Path(file).name for file in (program.file, *program.beside)}


# Runs each program with one line of bad arguments after the other; says what it printed, and its status.
REFUSING = """
import contextlib, io, json, runpy, sys
said = {}
for program, lines in json.loads(sys.argv[1]).items():
    with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.redirect_stdout(err):
        for line in lines:
            sys.argv = [program, *line.split()]
            try:
                runpy.run_path(program, run_name="__main__")
            except SystemExit as end:
                print("status", end.code)
    said[program] = err.getvalue()
print(json.dumps(said))
"""


def refused(program):
    """The bad arguments of a program, and the pattern of what it says of each."""
    if program.refuses is not None:
        for arguments, message in (program.refuses or UNKNOWN).items():
            yield arguments, re.escape(message)
    if program.methods:
        yield (
            "--start-method thread",
            r"argument --start-method: invalid choice: 'thread' .+",
        )


def test_bad_arguments_are_refused_in_one_line(tmp_path):
    script = tmp_path / "refusing.py"
    script.write_text(REFUSING)
    bad = {copy_of(tmp_path, one).name: dict(refused(one)) for one in PROGRAMS}
    assert len(bad) == len(PROGRAMS)
    status, out, err = run(tmp_path, script, json.dumps({one: [*bad[one]] for one in bad}))
    assert (status, err) == (0, "")
    for name, said in json.loads(out).items():
        end = rf"{re.escape(name)}: error: "
        usage = rf"usage: {re.escape(name)}((?!{end}).*\n)+?{end}"
        expected = "".join(rf"{usage}{one}\nstatus 2\n" for one in bad[name].values())
        assert re.fullmatch(expected, said), f"{name}: {said}"


@pytest.mark.parametrize(
    ("program", "module"),
    [(program, module) for program in PROGRAMS for module in program.packages],
    ids=str,
)
def test_names_a_package_that_is_missing(tmp_path, program, module):
    (tmp_path / f"{module}.py").write_text("raise ImportError")
    status, out, err = run(tmp_path, program.file)
    assert (status, out) == (1, "")
    name, package = Path(program.file).name, program.packages[module]
    assert err == f"{name} needs {package}: python -m pip install {package}\n"


@pytest.mark.parametrize("program", [one for one in PROGRAMS if one.beside], ids=str)
def test_names_a_program_that_must_lie_beside_it(tmp_path, program):
    status, out, err = run(tmp_path, program.file)
    assert (status, out) == (1, "")
    names = "|".join(Path(file).name for file in program.beside)
    assert re.fullmatch(rf"{program}\.py needs ({names}) in the same folder\n", err)


@on_posix
@pytest.mark.parametrize(
    ("program", "moment"), with_each(STOPPED, ["at work", "at the start"]), ids=str
)
def test_ctrl_c_ends_it_with_one_line(tmp_path, program, moment):
    arguments = program.arguments(program.long, turn=moment == "at work")
    file = copy_of(tmp_path, program)
    with RunningProgram(tmp_path, file, *arguments) as started:
        if not program.workers:
            wait_until(lambda: cpu_time(started.program) > 0.3, "it counts")
        elif moment == "at the start":
            wait_until(started.others, "a process is started")
        else:
            started.wait_for_workers(program.workers, program.busy, program.killed or ALL)
        started.interrupt()
        status, out, err = started.finish()
        started.assert_nothing_left()
    assert (status, err) == (130, "Interrupted\n")
    assert re.fullmatch(program.before, out), out


@on_posix
@pytest.mark.parametrize("program", KILLED, ids=str)
def test_says_that_a_worker_was_killed(tmp_path, program):
    arguments = program.arguments(program.finite or program.long, turn=2)
    file = copy_of(tmp_path, program)
    with RunningProgram(tmp_path, file, *arguments) as started:
        victims = started.wait_for_workers(program.workers, program.busy, program.killed)
        assert kill(victims) == len(victims)
        status, out, err = started.finish()
        started.assert_nothing_left()
    assert status == program.status, err
    assert re.fullmatch(program.says, out + err), out + err


SHARED = (
    "ctrl_c_held_back",
    "leave_ctrl_c_to_parent",
    "WithoutCtrlC",
    "Interrupt",
    "interrupt_once",
    "end_with_parent",
)


@functools.cache
def parts_of(file):
    """Return the text of each function and class of a program, by name, with its decorators."""
    text = file.read_text(encoding="utf-8")
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            found[node.name] = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    return found


@pytest.mark.parametrize("name", SHARED)
def test_what_many_programs_need_is_the_same_text_in_each(name):
    texts = {}
    for program in PROGRAMS:
        if text := parts_of(EXAMPLES / program.file).get(name):
            texts.setdefault(text, []).append(program.file)
    assert len(texts) == 1, list(texts.values())
    assert len(*texts.values()) > 1


def test_ctrl_c_is_held_back_in_one_way_only():
    about_it = (
        "questions/ctrl_c_unblocked.py",
        "questions/inherited.py",
    )  # they ask what it does
    for program in PROGRAMS:
        if program.file in about_it:
            continue
        for name, text in parts_of(EXAMPLES / program.file).items():
            if name not in SHARED:
                assert "pthread_sigmask" not in text, f"{program.file}: {name}"
