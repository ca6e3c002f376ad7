"""What it costs to ask a service for tracks: events a second and latency against clients.

    hitgraph simulate data/pu20 --events 10 --pileup 20 --seed 1
    python benchmarks/service.py data/pu20 --pipeline compact --workers 1 2 --clients 1 2 4 8

`hitgraph serve` runs on this machine, one thread a worker, and is asked over the loopback by
clients that each send one event after the other, in binary, made ready beforehand. Beside it the
plain pipeline with one thread in this process, on the same events in memory. Latency is from the
first byte sent to the last received. "Around the pipeline" is what is left of it without what the
worker measures in the pipeline: waiting for a free worker, HTTP, reading and checking. One client
that writes JSON stands below the table. Needs the extra `serve` and tritonclient[http].
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tritonclient.http as triton

from hitgraph.cli.console import Table, console, say
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline
from hitgraph.serve.tensors import DTYPES, inputs_of, tensors_of
from hitgraph.threads import set_threads

INFER = "/v2/models/hitgraph/infer"
LENGTH = "Inference-Header-Content-Length"


class Body(NamedTuple):
    """A request, ready to be sent."""

    content: bytes
    headers: dict[str, str]


class Sample(NamedTuple):
    """Wall seconds of one event, and those of them in the pipeline."""

    seconds: float
    pipeline: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=Path)
    parser.add_argument("--pipeline", default="compact")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--requests", type=int, default=50, help="of each row of the table")
    args = parser.parse_args()
    set_threads(1)
    pipeline = Pipeline.load(args.pipeline)
    clusters = pipeline.recipe.clusters
    events = [source.read(cells=clusters) for source in list_events([args.events])]
    hits = np.mean([event.n_hits for event in events])
    table = Table(
        ("", "events a second", "p50 [ms]", "p99 [ms]", "around the pipeline, p50 [ms]", "failed"),
        f"{args.pipeline}, {len(events)} events of {hits:,.0f} hits, {args.requests} requests each",
    )
    samples, seconds = _in_this_process(pipeline, events, args.requests)
    _add(table, "the pipeline in this process", samples, seconds, 0)
    bodies = [_body(event, clusters, binary=True) for event in events]
    for workers in args.workers:
        with _service(args.pipeline, workers, max(args.clients)) as address:
            _ask_all(address, bodies, workers, 2 * workers)  # reads what all need into memory
            for clients in args.clients:
                found, seconds = _ask_all(address, bodies, clients, args.requests)
                good = [sample for sample in found if sample is not None]
                name = f"{workers} workers, {clients} clients"
                _add(table, name, good, seconds, len(found) - len(good))
            text = _body(events[0], clusters, binary=False)
            slow, _ = _ask_all(address, [text], 1, 5)
    console().print(table)
    times = [1e3 * (one.seconds - one.pipeline) for one in slow if one is not None]
    say(
        f"A request: {len(bodies[0].content) / 1e6:.2f} MB in binary, "
        f"{len(text.content) / 1e6:.2f} MB in JSON, with {np.median(times):.0f} ms around the "
        "pipeline."
    )


def _in_this_process(
    pipeline: Pipeline, events: Sequence[Event], requests: int
) -> tuple[list[Sample], float]:
    pipeline.run(events[0])
    samples, begun = [], time.perf_counter()
    for event in islice(cycle(events), requests):
        start = time.perf_counter()
        pipeline.run(event)
        seconds = time.perf_counter() - start
        samples.append(Sample(seconds, seconds))
    return samples, time.perf_counter() - begun


@contextmanager
def _service(pipeline: str, workers: int, queue: int) -> Iterator[str]:
    words = ("--port", "0", "--workers", workers, "--threads", 1, "--queue", queue)
    command = (sys.executable, "-m", "hitgraph.cli", "serve", pipeline, *map(str, words))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split("http://")[1].strip()
        finally:
            process.terminate()


def _body(event: Event, clusters: bool, binary: bool) -> Body:
    tensors = tensors_of(event, clusters)
    inputs = []
    for spec in inputs_of(clusters):
        values = tensors[spec.name].astype(DTYPES[spec.datatype])
        inputs.append(triton.InferInput(spec.name, list(values.shape), spec.datatype))
        inputs[-1].set_data_from_numpy(values, binary_data=binary)
    content, length = triton.InferenceServerClient.generate_request_body(inputs)
    return Body(content, {} if length is None else {LENGTH: str(length)})


def _ask_all(
    address: str, bodies: Sequence[Body], clients: int, requests: int
) -> tuple[list[Sample | None], float]:
    """A sample for each request, None for one that failed, and the seconds of all together."""
    todo = iter(list(islice(cycle(bodies), requests)))
    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        found = [pool.submit(_ask_in_turn, address, todo) for _ in range(clients)]
        samples = [sample for one in found for sample in one.result()]
    return samples, time.perf_counter() - begun


def _ask_in_turn(address: str, todo: Iterator[Body]) -> list[Sample | None]:
    """One client: takes what is next as long as something is left."""
    connection, samples = HTTPConnection(address), []
    for body in todo:
        start = time.perf_counter()
        connection.request("POST", INFER, body.content, body.headers)
        response = connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - start
        if response.status == 200:
            head = json.loads(content[: int(response.headers[LENGTH])])
            samples.append(Sample(seconds, head["parameters"]["seconds"]))
        else:
            samples.append(None)
    connection.close()
    return samples


def _add(table: Table, name: str, samples: Sequence[Sample], seconds: float, failed: int) -> None:
    times = 1e3 * np.array([sample.seconds for sample in samples])
    around = 1e3 * np.array([sample.seconds - sample.pipeline for sample in samples])
    p50, p99 = np.percentile(times, [50, 99])
    row = (len(samples) / seconds, p50, p99, np.median(around))
    rate, *rest = row
    table.add(name, f"{rate:.2f}", *(f"{value:.0f}" for value in rest), str(failed))


if __name__ == "__main__":
    main()
