"""What it costs to share small events among workers: overhead an event, events a second.

    hitgraph simulate data/gun --events 1000 --particle-gun 20 --seed 1
    python benchmarks/cluster.py data/gun --pipeline quickstart --workers 1 2

One after the other in this process, in processes of this machine (--workers), and on a Dask cluster
of as many local processes with one thread each (--dask). The work is nothing, a pause of 20 ms that
needs no core, or `hitgraph reconstruct`. Start is the time to the first answer: processes and what
they load, or all tasks on their way to the scheduler. Rates are from there to the last answer. CPU
here is that of this process, which gives out the work, with the scheduler of Dask in it.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from hitgraph.cli.console import Table, console
from hitgraph.cli.reconstruct import open_finder
from hitgraph.event.source import EventSource, list_events
from hitgraph.fingerprint import fingerprint_of_folder
from hitgraph.pipeline_files import find_pipeline
from hitgraph.reconstruct import OpenedHere, Signature, reconstruct
from hitgraph.workers import Workers, hire

PAUSE = 0.02  # seconds

Work = Callable[[Workers, Path, Callable[[], None]], None]  # calls its last argument at each event


def nothing(_: EventSource) -> None:
    """No work."""


def pause(_: EventSource) -> None:
    """Work that leaves the core to others."""
    time.sleep(PAUSE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=Path)
    parser.add_argument("--pipeline", default="quickstart")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    sources = list_events([args.events])
    works: dict[str, Work] = {
        "nothing": partial(_share, nothing, sources),
        f"pause of {1e3 * PAUSE:.0f} ms": partial(_share, pause, sources),
        f"reconstruct, {args.pipeline}": partial(_reconstruct, args.pipeline, sources),
    }
    for title, work in works.items():
        table = Table(
            ("", "start [s]", "ms an event", "events a second", "CPU here [ms an event]"),
            f"{len(sources)} events: {title}",
        )
        for name, opening in _ways(args.workers):
            with opening() as workers, tempfile.TemporaryDirectory() as folder:
                start, each, cpu = _time(partial(work, workers, Path(folder)))
            table.add(
                name, f"{start:.1f}", f"{1e3 * each:.2f}", f"{1 / each:.1f}", f"{1e3 * cpu:.2f}"
            )
        console().print(table)


def _ways(
    numbers: Sequence[int],
) -> Iterator[tuple[str, Callable[[], AbstractContextManager[Workers]]]]:
    yield "this process", hire
    for number in numbers:
        if number > 1:
            yield f"--workers {number}", partial(hire, number)
    for number in numbers:
        yield f"--dask, {number} workers", partial(_local_cluster, number)


@contextmanager
def _local_cluster(number: int) -> Iterator[Workers]:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address=None) as cluster,
        hire(dask=cluster.scheduler_address) as workers,
    ):
        yield workers


def _share(
    function: Callable[[EventSource], None],
    sources: Sequence[EventSource],
    workers: Workers,
    folder: Path,
    advance: Callable[[], None],
) -> None:
    for _ in workers.share(function, sources, folder):
        advance()


def _reconstruct(
    pipeline: str,
    sources: Sequence[EventSource],
    workers: Workers,
    folder: Path,
    advance: Callable[[], None],
) -> None:
    signature = Signature(pipeline, fingerprint_of_folder(find_pipeline(pipeline)))
    finder = OpenedHere(partial(open_finder, signature, "cpu", "auto", 1))
    run = reconstruct(finder, signature, sources, folder, workers=workers, advance=advance)
    assert not run.failed


def _time(work: Callable[[Callable[[], None]], None]) -> tuple[float, float, float]:
    """Seconds to the first answer, from there to the last for each, and CPU seconds for each."""
    stamps, cpu = [time.perf_counter()], time.process_time()
    work(lambda: stamps.append(time.perf_counter()))
    cpu = time.process_time() - cpu
    each = (stamps[-1] - stamps[1]) / (len(stamps) - 2)
    return stamps[1] - stamps[0], each, cpu / (len(stamps) - 1)


if __name__ == "__main__":
    main()
