"""The processes of one contender, driven from outside: started fresh, told what to do all at once, and ended."""

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

from cnnlab.training.workers import environment
from experiments.bench import child
from experiments.bench.child import Turn
from experiments.bench.contract import Machine, Setup
from experiments.bench.workloads import Workload


class ContenderError(RuntimeError):
    """A process of a contender did not answer as it should; says why, its last line first."""

    def __init__(self, why: str) -> None:
        lines = why.strip().splitlines()
        self.reason = lines[-1] if lines else "no reason given"
        super().__init__(why)


class Team:
    """Processes that work side by side; use as a context manager, which ends them.

    Args:
        target: body of a process, told its pipe and then its own arguments.
        arguments: of each process.
        variables: environment that each is started with.
    """

    def __init__(
        self, target: Callable[..., None], arguments: Sequence[tuple[Any, ...]], variables: Mapping[str, str]
    ) -> None:
        self.target, self.arguments, self.variables = target, arguments, variables
        self.pipes: list[Connection] = []
        self.processes: list[Any] = []

    def __enter__(self) -> "Team":
        context = multiprocessing.get_context("spawn")
        with environment(self.variables):
            for own in self.arguments:
                ours, theirs = context.Pipe()
                process = context.Process(target=self.target, args=(theirs, *own), daemon=True)
                process.start()
                theirs.close()
                self.pipes.append(ours)
                self.processes.append(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.terminate()
        for process, pipe in zip(self.processes, self.pipes, strict=True):
            process.join()
            pipe.close()

    def ask(self, command: str, *arguments: Any) -> list[Any]:
        """Give every process the same command; their answers, once all are there. Raises ContenderError."""
        for pipe in self.pipes:
            _send(pipe, command, arguments)
        return [_answer(pipe) for pipe in self.pipes]

    def share(self, command: str, jobs: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Deal jobs out, one after the other to whoever is free; answers in the order of the jobs. Raises ContenderError."""
        answers: dict[int, Any] = {}
        waiting, busy = list(enumerate(jobs)), dict[Any, int]()
        free = list(self.pipes)
        while len(answers) < len(jobs):
            while free and waiting:
                place, arguments = waiting.pop(0)
                pipe = free.pop()
                busy[pipe] = place
                _send(pipe, command, arguments)
            for ready in wait(list(busy)):
                answers[busy.pop(ready)] = _answer(ready)
                free.append(ready)  # type: ignore[arg-type]
        return [answers[place] for place in range(len(jobs))]


def team(name: str, setup: Setup, workload: Workload, machine: Machine, cached: Mapping[str, str]) -> Team:
    """The processes of a contender; process i trains the members from i * setup.together on."""
    members = [tuple(range(i * setup.together, (i + 1) * setup.together)) for i in range(setup.processes)]
    arguments = [(name, workload, own, machine) for own in members]
    return Team(child.compete, arguments, {**setup.environment, **cached})


def limit_team(setup: Setup, machine: Machine) -> Team:
    """The processes that measure the limit."""
    return Team(child.gauge, [(machine,)] * setup.processes, setup.environment)


def rate(turns: Sequence[Turn]) -> float:
    """Work a second of processes that worked at the same time, from the first's begin to the last's end."""
    return sum(turn.work for turn in turns) / (max(turn.end for turn in turns) - min(turn.begin for turn in turns))


def _send(pipe: Connection, command: str, arguments: tuple[Any, ...]) -> None:
    try:
        pipe.send((command, arguments))
    except BrokenPipeError:
        raise ContenderError("the process has ended (out of memory, or killed)") from None


def _answer(pipe: Any) -> Any:
    try:
        kind, content = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise ContenderError("the process has ended (out of memory, or killed)") from None
    if kind == "failed":
        raise ContenderError(content)
    return content
