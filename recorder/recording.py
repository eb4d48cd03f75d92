"""What happened in one run of a program: plain, frozen data that goes to JSON and back."""

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """The machine and the Python of a run.

    Attributes:
        processor: The processor's name, as the operating system gives it.
        cores: The number of cores that a program may use.
        system: The operating system, with its version.
        python: The implementation and version of Python, for example "CPython 3.11.7".
        start_method: The start method that this Python takes by default.
    """

    processor: str
    cores: int
    system: str
    python: str
    start_method: str


@dataclass(frozen=True)
class Line:
    """One line of output.

    Attributes:
        at: Seconds from the start of the run to the moment the line came.
        text: The line, without its line end.
    """

    at: float
    text: str


@dataclass(frozen=True)
class Process:
    """The life of one process of a run, as sampled from outside.

    Attributes:
        pid: Its process ID.
        parent: The process ID of the process that started it.
        role: "parent" for the program itself, "helper" for multiprocessing's fork server and
            resource tracker, "worker" for every other process.
        started: Seconds from the start of the run to its start.
        ended: Seconds from the start of the run to the first sample without it.
        samples: Pairs of (seconds from the start of the run, CPU seconds used so far).
        stack: Where it was stuck when the recorder ended it: the lines of its threads' stacks.
    """

    pid: int
    parent: int
    role: str
    started: float
    ended: float
    samples: tuple[tuple[float, float], ...]
    stack: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """One run of one program, watched from outside.

    Attributes:
        program: The program, as a path below `examples/`.
        arguments: Its command-line arguments.
        recorded: When the run started, in UTC, in ISO 8601 form.
        machine: What it ran on.
        start_method: The start method the run used: the one named in its arguments, else the default.
        lines: Its output, standard output and standard error in the order they came.
        dropped: Bytes of output that came after the recorder's limit and were not kept.
        status: Its exit status; negative when a signal ended it, None when the recorder did.
        hung: Whether the recorder ended it: at the bound, or when it stood still.
        wall: Seconds from its start to its end.
        cpu: CPU seconds of all its processes together.
        peak_memory: The largest sum of the resident memory of its processes, in bytes.
        left_behind: How many processes it left running when it ended. The recorder ended them.
        processes: Every process that was seen, in the order of their starts.
    """

    program: str
    arguments: tuple[str, ...]
    recorded: str
    machine: Machine
    start_method: str
    lines: tuple[Line, ...]
    dropped: int
    status: int | None
    hung: bool
    wall: float
    cpu: float
    peak_memory: int
    left_behind: int
    processes: tuple[Process, ...]

    @property
    def command(self) -> str:
        """The command as a reader types it."""
        return " ".join(("python", self.program.rpartition("/")[2], *self.arguments))

    @property
    def output(self) -> str:
        """All lines of output, each with its line end."""
        return "".join(f"{line.text}\n" for line in self.lines)

    def to_json(self) -> str:
        """The recording as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Recording":
        """The recording that `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: The text is not such a recording.
        """
        data = json.loads(text)
        return cls(
            **data
            | {
                "arguments": tuple(data["arguments"]),
                "machine": Machine(**data["machine"]),
                "lines": tuple(Line(**line) for line in data["lines"]),
                "processes": tuple(
                    Process(
                        **process
                        | {
                            "samples": tuple((at, cpu) for at, cpu in process["samples"]),
                            "stack": tuple(process["stack"]),
                        }
                    )
                    for process in data["processes"]
                ),
            }
        )
