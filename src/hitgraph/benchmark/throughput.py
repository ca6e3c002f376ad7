"""Events a second of one machine: processes pinned to cores, reading while networks compute."""

import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from hitgraph.benchmark.apart import Child, Tell, threads_environment
from hitgraph.benchmark.clock import StageClock, resident
from hitgraph.benchmark.machine import cores
from hitgraph.benchmark.stages import StageJob, load_apart, without_truth
from hitgraph.event.event import Event
from hitgraph.event.regions import wedge
from hitgraph.event.source import EventSource

if TYPE_CHECKING:
    from hitgraph.pipeline import Pipeline

SECONDS = 30.0
REGION = 0.1  # of the azimuth
READY, GO = "ready", "go"


@dataclass(frozen=True)
class Layout:
    """How events are spread over a machine."""

    processes: int  # each with its own cores
    threads: int  # of each process
    in_flight: int = 1  # events that a process works on at a time
    share: float = 1.0  # of each event's azimuth: below 1 only that region is reconstructed

    @property
    def cores(self) -> int:
        return self.processes * self.threads

    @property
    def name(self) -> str:
        words = [f"{self.processes} x {self.threads} threads"]
        words += [f"{self.in_flight} events in flight"] if self.in_flight > 1 else []
        words += [f"regions of {self.share:.0%}"] if self.share < 1 else []
        return ", ".join(words)


@dataclass(frozen=True)
class ThroughputJob:
    """One process of a layout."""

    stages: StageJob
    layout: Layout
    number: int  # of the process
    own_cores: tuple[int, ...]  # to be pinned to; empty: wherever the system likes
    seconds: float


def cpu_layouts(n_cores: int) -> list[Layout]:
    """One core; all of them, as processes of one thread and as one process of several; regions."""
    layouts = [Layout(1, 1)]
    if n_cores > 1:
        layouts += [Layout(n_cores, 1), Layout(1, n_cores)]
    return [*layouts, Layout(n_cores, 1, share=REGION)]


def gpu_layouts(n_cores: int) -> list[Layout]:
    """One GPU fed by one process with more and more events in flight, and by several processes.

    Threads of a process share Python's lock, processes share the GPU by turns; regions.
    """
    flights = [Layout(1, n_cores, in_flight=n) for n in (1, 2, 4)]
    processes = [Layout(n, n_cores // n) for n in (2, 4) if n <= n_cores]
    return [*flights, *processes, replace((flights + processes)[-1], share=REGION)]


def measure_throughput(
    job: StageJob, layout: Layout, tell: Tell, seconds: float = SECONDS
) -> dict[str, Any]:
    """Events a second with all processes at work together, and what they needed.

    Every process first does two events to warm up; then all start at once.
    """
    own = cores()
    pinned = len(own) >= layout.cores and hasattr(os, "sched_setaffinity")
    environment = threads_environment(layout.threads)
    with ExitStack() as stack:
        children = []
        for number in range(layout.processes):
            first = number * layout.threads
            place = tuple(own[first : first + layout.threads]) if pinned else ()
            one = ThroughputJob(
                replace(job, threads=layout.threads), layout, number, place, seconds
            )
            children.append(stack.enter_context(Child(keep_going, one, environment)))
        for child in children:
            child.wait_for(READY)
        tell(f"{layout.name}: warm")
        for child in children:
            child.line.send(GO)
        done = [child.result() for child in children]
    tell(layout.name)
    events = sum(one["events"] for one in done)
    known = [one["peak"] for one in done]
    return {
        "device": job.device,
        "processes": layout.processes,
        "threads": layout.threads,
        "in_flight": layout.in_flight,
        "share": layout.share,
        "pinned": pinned,
        "events": events,
        "events_per_second": sum(one["events"] / one["wall"] for one in done),
        "cpu_seconds_per_event": sum(one["cpu"] for one in done) / events,
        "hits_per_event": sum(one["hits"] for one in done) / events,
        "peak_bytes": None if None in known else sum(known),
    }


def keep_going(job: ThroughputJob, _tell: Tell, line: Connection) -> dict[str, Any]:
    """Reconstruct the events in a circle until the time is over; the last ones are completed."""
    if job.own_cores:
        os.sched_setaffinity(0, job.own_cores)
    lanes = [_Lane(load_apart(job.stages)[0]) for _ in range(job.layout.in_flight)]
    start_at = job.number * len(job.stages.sources) // job.layout.processes
    sources = job.stages.sources[start_at:] + job.stages.sources[:start_at]
    for lane in lanes:  # each may keep buffers of its own, a GPU keeps memory by stream
        for source in sources[:2]:
            lane.run(_read(source, lane.pipeline, job.layout.share))
    line.send((READY, None))
    line.recv()
    clock = StageClock()
    counts: list[int] = []
    with clock("all"):
        start, start_cpu = perf_counter(), process_time()
        deadline = start + job.seconds
        feed = _Feed(sources, lanes[0].pipeline, job.layout, deadline)
        with ThreadPoolExecutor(job.layout.in_flight) as pool:
            for found in pool.map(lambda lane: lane.consume(feed), lanes):
                counts += found
        wall, cpu = perf_counter() - start, process_time() - start_cpu
    return {
        "events": len(counts),
        "hits": sum(counts),
        "wall": wall,
        "cpu": cpu,
        "peak": clock.readings["all"].peak or resident(),
    }


class _Feed:
    """Events of a circle of sources, read ahead of those who ask, until a time."""

    def __init__(
        self,
        sources: Sequence[EventSource],
        pipeline: "Pipeline",
        layout: Layout,
        deadline: float,
    ) -> None:
        self.deadline = deadline
        self.lock = threading.Lock()
        self.reader = ThreadPoolExecutor(layout.in_flight)
        self.waiting: Iterator[Future[Event]] = self._ahead(sources, pipeline, layout)

    def _ahead(
        self, sources: Sequence[EventSource], pipeline: "Pipeline", layout: Layout
    ) -> Iterator[Future[Event]]:
        queue: list[Future[Event]] = []
        for source in itertools.cycle(sources):
            queue.append(self.reader.submit(_read, source, pipeline, layout.share))
            if len(queue) > layout.in_flight:
                yield queue.pop(0)

    def next(self) -> Event | None:
        """The next event; none when the time is over."""
        with self.lock:
            if perf_counter() >= self.deadline:
                self.reader.shutdown(wait=False)  # what others wait for is still read
                return None
            future = next(self.waiting)
        return future.result()


class _Lane:
    """One event in flight: a pipeline, and on a GPU a stream of its own.

    Work of different streams may overlap, so events do not wait for each other.
    """

    def __init__(self, pipeline: "Pipeline") -> None:
        self.pipeline = pipeline
        self.stream: Any = None
        if pipeline.device.type == "cuda":
            import torch

            self.stream = torch.cuda.Stream(pipeline.device)  # type: ignore[no-untyped-call]

    def run(self, event: Event) -> None:
        if self.stream is None:
            self.pipeline.run(event)
            return
        import torch

        with torch.cuda.stream(self.stream):
            self.pipeline.run(event)

    def consume(self, feed: _Feed) -> list[int]:
        """Number of hits of every event that this lane did."""
        counts: list[int] = []
        while (event := feed.next()) is not None:
            self.run(event)
            counts.append(event.n_hits)
        return counts


def _read(source: EventSource, pipeline: "Pipeline", share: float) -> Event:
    event = without_truth(source).read(cells=pipeline.recipe.clusters)
    return wedge(event, share) if share < 1 else event
