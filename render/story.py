"""Says in sentences who waited for whom when a run hung: each from what the recording proves.

Code stands in backticks, as on a page, and lines of the program as "line 25".
"""

import itertools
import re
import signal
import textwrap
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from recorder.recording import Frame, Process, Recording, Thread, Wait

LIBRARY = re.compile(r"[/\\<]")  # in the path of a file that is not of the program's folder
FEEDER = "_feed"  # the function of a Queue's thread that writes into its pipe
TAKES_TASKS, TAKES_RESULTS = "the Pool's task handler", "the Pool's result handler"
HELPERS = {  # by its function, what a thread of the library is called, and waits for
    ("queues", FEEDER): ("the feeder thread", ""),
    ("pool", "_handle_workers"): ("the Pool's worker handler", "for a worker to end"),
    ("pool", "_handle_tasks"): (TAKES_TASKS, "for the next task"),
    ("pool", "_handle_results"): (TAKES_RESULTS, "for a result"),
    ("process", "wait_result_broken_or_wakeup"): (
        "the executor's management thread",
        "for a result, or for a worker to end",
    ),
}
OF_POOL = {("pool", "wait"), ("pool", "next")}
AWAITS_RESULT = {*OF_POOL, ("_base", "result")}
IDLE = {("pool", "worker"), ("process", "_process_worker")}  # a worker that takes tasks
AT_ITS_END = "_finalize_join"  # where a process waits for its feeder threads before it ends


class Aim(NamedTuple):
    """What a thread waits for: a semaphore, or something of its own process.

    Attributes:
        what: What is waited for.
        briefly: The same in few words.
        deed: What somebody would have to do.
        killed: What a killed process may have done to it.
    """

    what: str
    briefly: str
    deed: str = ""
    killed: str = ""


HELD = "may have held it: nobody releases it then"
WRITERS = Aim("for the lock of the queue's writers", "for a lock", "release it", HELD)
READERS = Aim("for the lock of the queue's readers", "for a lock", "release it", HELD)
COUNTED = "may be counted among them for ever"
SEMAPHORES = {  # by the function of multiprocessing that waits for it
    ("queues", "_feed"): WRITERS,
    ("queues", "put"): Aim(
        "for room in the queue, which has a maxsize", "for room in the queue", "take an item"
    ),
    ("queues", "get"): READERS,
    ("queues", "join"): Aim("for the last `task_done()`", "for task_done()", "call it"),
    ("synchronize", "set"): Aim(
        "for each process in `wait()` to wake up", "for those in wait()", "wake up", COUNTED
    ),
    ("synchronize", "wait"): Aim("to be woken", "to be woken", "wake it"),
}
ANY = Aim("for a lock or semaphore that processes share", "for a lock", "release it", HELD)
EVENT = Aim("for the Event to be set", "for an Event", "set it")
BARRIER = Aim("at the Barrier for others", "at the Barrier", "come there")
TURN = Aim("for its turn to take the next task", "for its turn", "release the lock", HELD)
NOBODY = ", and no other thread of it is left to release it"
WAKING = Aim("for another thread of it to wake it, and no other is left", "for its threads")
LEFT_LOCKED = Aim(f"for a lock{NOBODY}", "for a lock left locked")
LOCK = Aim(f"for a lock of its own{NOBODY}", "for its own lock")
FEEDER_ENDS = Aim("for its feeder thread to end", "for its feeder")
THREAD_ENDS = Aim("for its other thread to end", "for its other thread")
CHANNELS = {"pipe:": "a pipe", "socket:": "a socket", "anon_inode:": "an eventfd"}
RESULT = Aim("for a result, which another thread of it would bring", "for a result")
THREADS = Aim("for another of its threads, or for a lock of theirs", "for its threads")
# What a traceback with a call of the library ends with: a line of another process may lie between.
RAISED = r"(?:{})\n(?:[ \t].*\n)+((?:\w+\.)*[A-Z]\w*(?:: .*)?)$"
FEEDS = r'queues\.py", line \d+, in _feed'
HANDLES_RESULTS = r'pool\.py", line \d+, in _handle_results'
# Nothing of the program catches what goes through these: it ends the process.
STARTS = r'process\.py", line \d+, in _bootstrap|spawn\.py", line \d+, in _main'
BEGINS = "Traceback (most recent call last):"
INTERRUPTED = "KeyboardInterrupt"
PRESSED = re.compile(r"(?:.*: )?Ctrl-C")  # a program that says when it was pressed


def names_of(recording: Recording) -> dict[int, str]:
    """What each process is called: "the parent", "the worker" or "worker 2", "the helper"."""
    names: dict[int, str] = {}
    for role in ("parent", "worker", "helper"):
        alike = [process for process in recording.processes if process.role == role]
        for number, process in enumerate(alike, 1):
            names[process.pid] = f"{role} {number}" if len(alike) > 1 else f"the {role}"
    return names


def how_it_ended(process: Process, recording: Recording) -> str:
    """How a process ended, in the words of a terminal; "" where that is not known."""
    if recording.ended != "exit" and (process.stack or process.ended >= recording.wall):
        return "ended by the recorder"
    status = process.exit
    if status is None and process.role == "parent":
        status = recording.status
    if status is None:
        return ""
    known = {number.value: number.name for number in signal.Signals}
    return f"exit {status}" if status >= 0 else known.get(-status, f"signal {-status}")


def raised(recording: Recording, call: str) -> list[str]:
    """The exceptions, as code, of those tracebacks of the output that have a call of the library."""
    found = re.findall(RAISED.format(call), recording.output, re.MULTILINE)
    texts = (textwrap.shorten(one.replace("`", ""), 100, placeholder=" ...") for one in found)
    return [f"`{text}`" for text in texts]


def ctrl_c_at(recording: Recording) -> float | None:
    """When the output shows that Ctrl-C came: the program says so, or a traceback that it ends begins."""
    begun = None
    for line in recording.lines:
        if PRESSED.fullmatch(line.text):
            return line.at
        if line.text == BEGINS:
            begun = line.at
        if line.text == INTERRUPTED:
            return begun
    return None


def seen_until(thread: Thread, looks: Sequence[float]) -> float:
    """When a thread was surely still there."""
    at, kind = thread.samples[-1] if thread.samples else (0.0, "")
    last = max(looks, default=0.0)
    return last if kind else max((look for look in looks if look < at), default=0.0)


def was_forked(thread: Thread) -> bool:
    """Whether it is a thread that a fork copied: of the worker's parent, or of the fork server."""
    return any(
        is_fork(frame)
        or (frame.function == "_serve_one" and frame.file.endswith("forkserver.py"))
        for frame in thread.frames
    )


def is_fork(frame: Frame) -> bool:
    """Whether this is the call by which a parent forks a worker."""
    return frame.function == "_launch" and frame.file.endswith("popen_fork.py")


def own_frames(thread: Thread) -> list[Frame]:
    """Where a thread stood, without what a forked process has from its parent's stack."""
    own = itertools.takewhile(
        lambda f: f.function != "_bootstrap" and not is_fork(f), thread.frames
    )
    return list(own)


def place_of(thread: Thread) -> tuple[str, int, str]:
    """Where a thread stood: the function that the program called, its line, and its file.

    The line is 0 where none of the program's own is known; the function is then the library's.
    """
    frames = own_frames(thread)
    for called, here in itertools.pairwise([*frames[:1], *frames]):
        if not LIBRARY.search(here.file):
            return f"{called.function}()", here.line, here.file
    inside = [frame for frame in frames if "multiprocessing" in frame.file]
    return (f"{inside[0].function}()" if inside else ""), 0, ""


def calls_of(thread: Thread) -> list[tuple[str, str]]:
    """The calls of the library that a thread was in: the module and the function."""
    return [
        (re.split(r"[/\\\\]", frame.file)[-1].removesuffix(".py"), frame.function)
        for frame in own_frames(thread)
        if LIBRARY.search(frame.file)
    ]


def helper(thread: Thread) -> tuple[str, str]:
    """What a thread of the library is called, and waits for; empty if it is none."""
    found = (HELPERS[call] for call in calls_of(thread) if call in HELPERS)
    return ("", "") if place_of(thread)[1] else next(found, ("", ""))


def is_feeder(thread: Thread) -> bool:
    """Whether this is the thread that writes into the pipe of a Queue."""
    return any(frame.function == FEEDER for frame in thread.frames)


def at_its_end(thread: Thread) -> bool:
    """Whether its process is about to end, and waits for its feeder threads."""
    return any(frame.function == AT_ITS_END for frame in own_frames(thread))


def is_idle(thread: Thread) -> bool:
    """Whether this is a worker of a Pool or an executor that has no task."""
    return not place_of(thread)[1] and not IDLE.isdisjoint(calls_of(thread))


def purpose_of(thread: Thread) -> Aim:
    """What the semaphore is for that a thread waits for, as its stack tells."""
    calls = calls_of(thread)
    if ("queues", "get") in calls and is_idle(thread):
        return TURN
    if ("queues", "put") in calls[1:]:  # a SimpleQueue writes itself
        return WRITERS
    if ("threading", "_wait") in calls:
        return BARRIER
    if calls.count(("synchronize", "wait")) > 1:
        return EVENT
    return next((told for call, told in SEMAPHORES.items() if call in calls), ANY)


def own_of(process: Process, thread: Thread) -> Aim:
    """What a thread waits for that is another thread of its process, or a lock."""
    calls = calls_of(thread)
    others = [one for one in process.threads if one.waits and one is not thread]
    if not others:
        if ("threading", "wait") in calls:  # an Event, a queue.Queue
            return WAKING
        return LEFT_LOCKED if was_forked(thread) else LOCK
    joins = any(f.function == "join" and "threading" in f.file for f in own_frames(thread))
    if joins and len(others) == 1:
        return FEEDER_ENDS if is_feeder(others[0]) or at_its_end(thread) else THREAD_ENDS
    return RESULT if AWAITS_RESULT & {*calls} else THREADS


def is_known(thread: Thread) -> bool:
    """Whether a thread waits for something, and it can be told for what."""
    return bool(thread.waits) and {"live", "outside"}.isdisjoint(
        wait.kind for wait in thread.waits
    )


class Story:
    """Who waited for whom in a run that hung."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.names = names_of(recording)
        self.processes = {process.pid: process for process in recording.processes}
        self.owners = {
            thread.tid: (process, thread)
            for process in recording.processes
            for thread in process.threads
        }
        workers = [one for one in recording.processes if one.role == "worker"]
        ends = {one.pid: how_it_ended(one, recording) for one in workers}
        # The workers that had ended before.
        self.gone = {pid: how for pid, how in ends.items() if how != "ended by the recorder"}
        self.pipes = {pipe.name: pipe for pipe in recording.pipes}
        self.chain = tuple(itertools.takewhile(self.owners.__contains__, recording.chain))
        for number, (one, other) in enumerate(itertools.pairwise(self.chain), 1):
            # What the other waits for says nothing of why the first one waits.
            if self.is_aside(one, other) or self.lacks_handler(one):
                self.chain = self.chain[:number]
                break

    def sentences(self) -> list[str]:
        """One after the other: each thread waits for the next; or where all stood, if no more is known."""
        chain = self.chain
        ring = len(chain) > 1 and chain[-1] in chain[:-1]
        path = chain[:-1] if ring else chain
        found: list[str] = []
        for before, tid in zip([0, *path], path, strict=False):
            waits, *only = self.link(tid, before)
            ends = tid == path[-1]
            found += [waits, *(self.they_wait(one, tid, ends, ring) for one in only)]
            found += self.likewise(tid, before)
        if path and self.lacks_handler(path[-1]):
            by = " by ".join(["", *raised(self.recording, HANDLES_RESULTS)[:1]])
            found.append(f"{TAKES_RESULTS} has ended{by}: nobody takes a result.")
        found += self.beside(path)
        found += self.ended(found) if chain else self.stood()
        return [f"{text[0].upper()}{text[1:]}" for text in found]

    def is_aside(self, before: int, tid: int) -> bool:
        """Whether a feeder, or who can't be told, waits for its own, after who doesn't wait for it."""
        kinds = [[wait.kind for wait in self.owners[one][1].waits] for one in (before, tid)]
        thread = self.owners[tid][1]
        return (is_feeder(thread) or not thread.frames) and kinds[0] != ["own"] == kinds[1]

    def link(self, tid: int, before: int) -> Iterator[str]:
        """What one thread waits for, and who could bring it."""
        process, thread = self.owners[tid]
        what, only = self.wanted(process, thread)
        start = "at its end " if at_its_end(thread) else ""
        yield f"{start}{self.subject(tid, before)} waits{self.where(thread)} {what}."
        if only:
            yield f"{only}."

    def they_wait(self, only: str, tid: int, ends: bool, ring: bool) -> str:
        """A sentence on who alone could wake a thread, and that those wait themselves.

        Args:
            only: The sentence.
            tid: The thread.
            ends: Whether it is the last one of the chain; then no sentence follows on those.
            ring: Whether the chain is a ring.
        """
        process, thread = self.owners[tid]
        others = {pid for wait in thread.waits for pid in wait.by} - {process.pid}
        who = ""
        if not only.startswith("only "):
            return only
        if ends and ring:
            who = f"{self.subject(self.chain[-1], 0)} waits"
        elif len(others) > 1 and all(map(self.is_stuck, others)):
            who = f"{'both' if len(others) == 2 else 'all of them'} wait"
        elif ends and len(others) < 2:
            who = "it waits"
        return f"{only[:-1]}, and {who}." if who else only

    def is_stuck(self, pid: int) -> bool:
        """Whether a process waits, in each of its threads, for something that can be told."""
        threads = self.processes[pid].threads if pid in self.processes else ()
        waiting = [one for one in threads if one.waits]
        return bool(waiting) and all(map(is_known, waiting))

    def likewise(self, tid: int, before: int) -> Iterator[str]:
        """Who else could have woken the thread before, and what they wait for, each place once."""
        _, thread = self.owners[tid]
        by = (
            {pid for wait in self.owners[before][1].waits for pid in wait.by} if before else ()
        )
        told = {self.owners[one][0].pid for one in self.chain}
        elsewhere: dict[str, list[int]] = {}
        for pid in sorted(set(by) & set(self.owners) - told):
            process, other = self.owners[pid]
            where = self.where(other)
            if other.waits and where and where == self.where(thread):
                yield f"so does {self.names[process.pid]}."
            elif is_known(other):
                what = f"{where} {self.wanted(process, other)[0]}"
                elsewhere.setdefault(what, []).append(pid)
        for what, pids in itertools.islice(elsewhere.items(), 3):
            if len(pids) == 1:
                yield f"{self.list(pids, 0)} waits{what}."
            else:
                yield f"{self.list(pids, 0)} wait{what.replace(' its ', ' their ')}."

    def beside(self, path: Sequence[int]) -> Iterator[str]:
        """Who stands in a line of the program, where the chain goes by threads of a library."""
        told = {self.where(self.owners[tid][1]) for tid in path}
        if not any(wait.kind == "own" for tid in path for wait in self.owners[tid][1].waits):
            return
        for tid, (_, thread) in self.owners.items():
            where = self.where(thread)
            if thread.waits and where and where not in told:
                told.add(where)
                yield from self.link(tid, 0)

    def lacks_handler(self, tid: int) -> bool:
        """Whether a thread waits for a result of a Pool whose thread for the results has ended."""
        process, thread = self.owners[tid]
        waiting = [one for one in process.threads if one.waits]
        kinds = {helper(one)[0] for one in waiting}
        gone = TAKES_RESULTS not in kinds and TAKES_TASKS in kinds
        return gone and all(o.frames for o in waiting) and bool(OF_POOL & {*calls_of(thread)})

    def subject(self, tid: int, before: int) -> str:
        """What a thread is called, after a sentence about another one."""
        process, thread = self.owners[tid]
        name = self.names[process.pid]
        if tid == process.pid:
            return name
        two = sum(bool(one.waits) for one in process.threads) == 2
        other = "the feeder thread" if at_its_end(process.threads[0]) else "the other thread"
        kind = helper(thread)[0] or (other if two else "another thread")
        same = before in self.owners and self.owners[before][0] is process
        return kind if same else f"{kind} of {name}"

    def where(self, thread: Thread) -> str:
        """Where in the program it waits; "" where that is not known, or not the program's."""
        called, line, file = place_of(thread)
        if not line:
            return ""
        other = "" if file == self.recording.program.rpartition("/")[2] else f" of {file}"
        if called.startswith(("_", "<")):  # the library's own word, or no function
            return f" at line {line}{other},"
        return f" in `{called}`, line {line}{other},"

    def wanted(self, process: Process, thread: Thread) -> tuple[str, str]:
        """What a thread waits for; and who alone could bring it, where that is to be said."""
        _, told = helper(thread)
        if len(thread.waits) != 1:
            by = {pid for wait in thread.waits for pid in wait.by}
            if told:
                only = f"only {self.list(by, process.pid)} could bring that"
                return told, only if by - {process.pid} else "no worker is left to bring that"
            many = f"for any of {len(thread.waits)} things"
            return many, f"only {self.list(by, process.pid)} could bring one"
        (wait,) = thread.waits
        where = CHANNELS.get(wait.channel.partition("[")[0], "a FIFO")
        if wait.kind == "end":
            return f"for {self.list(wait.by, 0, 'or')} to end", ""
        if wait.kind == "own":
            own = own_of(process, thread)
            left = "" if told or own is not LEFT_LOCKED else self.left_locked(process)
            return told or own.what, left
        if wait.kind == "data":
            if ("base_events", "run_forever") in calls_of(thread):
                return self.loop(wait, process)
            told = "for its next task" if is_idle(thread) else told
            told = f"{told}: data from {where}" if told else f"for data from {where}"
            return told, self.alone(wait, process, "write to it")
        if wait.kind == "room":
            pipe = self.pipes.get(wait.channel)
            fits = f" of {pipe.capacity:,}" if pipe and pipe.capacity else ""
            full = f": {pipe.samples[-1][1]:,}{fits} bytes" if pipe else ""
            return f"for room in {where}, which is full{full}", self.alone(
                wait, process, "read it"
            )
        if wait.kind == "lock":
            file = wait.channel.rpartition("/")[2]
            held = f"it is held by {self.list(wait.by, process.pid)}"
            return f"for the lock of the file `{file}`", held
        if wait.kind == "semaphore":
            purpose = purpose_of(thread)
            killed = self.killed(wait, process, purpose)
            return purpose.what, killed or self.alone(wait, process, purpose.deed)
        return "for what can't be told", ""

    def loop(self, wait: Wait, process: Process) -> tuple[str, str]:
        """What it is to wait in an event loop that nothing but itself watches."""
        what = "with its event loop, for something to do"
        if set(wait.by) - {process.pid}:
            return what, self.alone(wait, process, "bring it")
        others = sum(bool(one.waits) for one in process.threads) > 1
        return what, "" if others else "no other thread or process is left that could bring it"

    def briefly(self, process: Process, thread: Thread) -> str:
        """What a thread waits for, in few words."""
        if told := helper(thread)[1]:
            return told
        if len(thread.waits) > 1:
            return f"for any of {len(thread.waits)} things"
        (wait,) = thread.waits
        if wait.kind == "end":
            return f"for {self.list(wait.by, 0, 'or')}"
        if wait.kind == "own":
            return own_of(process, thread).briefly
        known = {
            "data": "for its next task" if is_idle(thread) else "for data",
            "room": "for room",
            "lock": "for a file's lock",
            "semaphore": purpose_of(thread).briefly,
        }
        return known.get(wait.kind, "")

    def alone(self, wait: Wait, process: Process, deed: str) -> str:
        """Who alone could do what a thread waits for."""
        if not set(wait.by) - {process.pid}:
            return f"no other process is left that could {deed}"
        return f"only {self.list(wait.by, process.pid)} could {deed}"

    def killed(self, wait: Wait, process: Process, purpose: Aim) -> str:
        """What a killed process may have done, where no other worker is left to hold the lock."""
        first = next((pid for pid, how in self.gone.items() if how.startswith("SIG")), 0)
        others = set(wait.by) - {process.pid, self.recording.processes[0].pid}
        if not first or not purpose.killed or (purpose.killed == HELD and others):
            return ""
        return f"{self.names[first]}, which was killed by {self.gone[first]}, {purpose.killed}"

    def left_locked(self, process: Process) -> str:
        """How a lock may have come to be locked in a forked process."""
        name = self.names[process.pid]
        if threads := self.beside_fork(process):
            many = len(threads) > 1
            had = f"had {'other threads' if many else 'another thread'}"
            who = "one of those threads" if many else "this thread"
            return (
                f"{name} was forked while {self.names[process.parent]} {had}; "
                f"a lock that {who} held then stays locked in it"
            )
        return f"{name} was forked; a lock that another thread held then stays locked in it"

    def beside_forks(self) -> set[int]:
        """The threads beside which those workers were forked that wait for a lock left locked."""
        return {
            tid
            for process, thread in self.owners.values()
            if [wait.kind for wait in thread.waits] == ["own"]
            if own_of(process, thread) is LEFT_LOCKED
            for tid in self.beside_fork(process)
        }

    def beside_fork(self, process: Process) -> list[int]:
        """The threads of its parent that a process was forked beside, as far as that is certain."""
        parent = self.processes.get(process.parent)
        if not parent:
            return []
        # It started at most a tick of the system's clock later than it says.
        sure, looks = process.started + 0.02, [at for at, _ in parent.samples]
        return [
            thread.tid
            for thread in parent.threads
            # IDs are given in order.
            if parent.pid < thread.tid < process.pid
            if seen_until(thread, looks) > sure
        ]

    def list(self, pids: Collection[int], own: int, conjunction: str = "and") -> str:
        """Processes in words; who waits is left out, if there is anybody else."""
        order = [process.pid for process in self.recording.processes]
        known = sorted((pid for pid in pids if pid in order), key=order.index)
        words = [self.names[pid] for pid in known if pid != own]
        if len(words) > 1 and all(word.startswith("worker ") for word in words):
            words = [word.removeprefix("worker ") for word in words]
            words[0] = f"worker{'s' if conjunction == 'and' else ''} {words[0]}"
        if not words:
            return f"{self.names[own]} itself" if own else "a process"
        if len(words) > 4:
            words[3:] = [f"{len(words) - 3} others"]
        *most, last = words
        return f"{', '.join(most)} {conjunction} {last}" if most else last

    def stood(self) -> Iterator[str]:
        """Where each thread stood, without a word on what it waited for."""
        for tid, (_, thread) in self.owners.items():
            if thread.frames:
                called = place_of(thread)[0]
                where = self.where(thread) or f" in `{called}` of the library" * bool(called)
                yield f"{self.subject(tid, 0)} stood{where.rstrip(',') or ' somewhere'}."

    def ended(self, told: Collection[str]) -> Iterator[str]:
        """Which workers had ended before, and how: those first who did not end well.

        Args:
            told: What was said before.
        """
        texts = [line.text for line in self.recording.lines]
        if pressed := min(texts.count(BEGINS), texts.count(INTERRUPTED)):
            end = f"{pressed} tracebacks end" if pressed > 1 else "a traceback ends"
            yield f"{end} with `{INTERRUPTED}`, which is what Ctrl-C raises."
        # A Pool gives no task a second time.
        pool = any(helper(one)[0].startswith("the Pool's") for _, one in self.owners.values())
        ended: dict[str, list[int]] = {}
        for pid, how in self.gone.items():
            if not any(f"{self.names[pid]}, which was" in text for text in told):
                ended.setdefault(how, []).append(pid)
        for how, pids in sorted(ended.items(), key=lambda one: one[0] in ("exit 0", "")):
            one = ("it", "was", "has")
            it, was, has = one if len(pids) == 1 else ("they", "were", "have")
            if how and not how.startswith("exit "):
                lost = f": a task that {it} had is lost" * pool
                yield f"{self.list(pids, 0)} {was} killed, by {how}{lost}."
            else:
                by = raised(self.recording, STARTS) if how == "exit 1" else []
                why = f": {by[0]}" if len(by) == len(pids) == 1 else ""
                status = f", exit code {how[5:]}{why}" if how else ""
                yield f"{self.list(pids, 0)} {has} ended{status}."
        yield from self.nothing_came() if ended else ()
        for text in raised(self.recording, FEEDS)[:1]:
            yield f"a feeder thread could not send an object, and dropped it: {text}."
            ours = [one for one in self.recording.processes if one.role != "helper"]
            known = all(one.threads and all(t.frames for t in one.threads) for one in ours)
            feeding = [one.pid for one in ours if any(map(is_feeder, one.threads))]
            if known and len(feeding) == 1:
                yield f"only {self.list(feeding, 0)} has a feeder thread."

    def nothing_came(self) -> Iterator[str]:
        """Where one waits for what an ended worker may owe: why nothing came, not even an error."""
        process, thread = self.owners[self.chain[-1]]
        calls, by = calls_of(thread), {pid for wait in thread.waits for pid in wait.by}
        others, many = by - {process.pid}, len(self.gone) > 1
        directly = ("connection", "recv") in calls and place_of(thread)[0] == "recv()"
        if [wait.kind for wait in thread.waits] != ["data"]:
            return
        if ("queues", "get") in calls:
            if not others and {*self.gone.values()} == {"exit 0"}:
                yield (
                    f"if {'they' if many else 'it'} put anything that nobody got, the feeder "
                    "thread could not pickle or send that, or had no time to."
                )
        elif by and directly and all(map(self.is_stuck, others)):
            who = f"{self.list(by, process.pid)} {'have' if len(others) > 1 else 'has'}"
            yield f"`recv()` raises no `EOFError`, since {who} the other end open."
