"""The whole benchmark: measurements one after another, each saved as soon as it is done."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitgraph._version import __version__
from hitgraph.benchmark.apart import Tell, run_apart, threads_environment
from hitgraph.benchmark.growth import measure_growth
from hitgraph.benchmark.machine import cores, describe, load
from hitgraph.benchmark.reference import ReferenceJob, measure_reference
from hitgraph.benchmark.stages import StageJob, measure_stages
from hitgraph.benchmark.startup import measure_startup
from hitgraph.benchmark.throughput import SECONDS, cpu_layouts, gpu_layouts, measure_throughput
from hitgraph.benchmark.traditional import KEY, measure_ckf
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.source import EventSource
from hitgraph.event.store import preset_of
from hitgraph.files import atomic_write, read_json
from hitgraph.fingerprint import fingerprint_of_folder
from hitgraph.workers import HERE

if TYPE_CHECKING:
    from hitgraph.pipeline import Pipeline

FORMAT = 2  # of the JSON file
FILE_NAME = "benchmark.json"
MAY_DIFFER = ("when", "parts")


@dataclass(frozen=True)
class Order:
    """What to measure."""

    pipeline: str
    sources: tuple[EventSource, ...]
    device: str = "auto"  # auto: the CPU, and a GPU where there is one
    precision: str = "auto"  # of the networks on a GPU
    threads: tuple[int, ...] = (1, 2)
    repeats: int = 5
    startup: bool = True
    growth: tuple[int, ...] = ()  # numbers of hits
    throughput: bool = False
    seconds: float = SECONDS  # of each throughput measurement
    reference: float = 0.0  # share of the reference sizes
    ckf: bool = False


@dataclass(frozen=True)
class Measurement:
    """One part of the benchmark."""

    name: str
    threads: int  # busy at a time
    take: Callable[[Tell], dict[str, Any]]


def run_benchmark(
    order: Order,
    out: Path | None,
    resume: bool,
    begin: Callable[[str, int, int], Tell],
    force: bool = False,
) -> dict[str, Any]:
    """All measurements of an order as the JSON file has them.

    With `out` they are saved there one by one; those that are there are not taken again with
    `resume`, and are replaced with `force`. `begin(name, number, total)` is called before each
    and returns where its progress is told. An event that cannot be reconstructed stands under
    "failed" and is left out. Raises SettingsError where some measurements are there and neither
    is given, or what is saved does not belong to this order; InputError where no event is left.
    """
    path = None if out is None else out / FILE_NAME
    if path is not None and path.is_file() and not (resume or force):
        raise SettingsError(
            f"{path}: holds measurements already: --resume keeps them and goes on, --force "
            "measures anew, or give another folder"
        )
    run: dict[str, Any] = {
        "format": FORMAT,
        "hitgraph": __version__,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "pipeline": order.pipeline,
        "events": [source.name for source in order.sources],
        "bytes": [source.size for source in order.sources],
        "preset": preset_of(source.path for source in order.sources),
        "repeats": order.repeats,
        "precision": order.precision,
    }
    saved = read_run(path) if resume and path is not None and path.is_file() else None
    _require_same(saved, run, path)
    seen = run_apart(look, order, threads_environment(1))
    run |= {
        "fingerprint": seen["fingerprint"],
        "failed": seen["failed"],
        "machine": describe() | seen["machine"],
        "parts": {},
    }
    _require_same(saved, run, path)
    good = tuple(source for source in order.sources if source.name not in seen["failed"])
    if not good:
        event, why = next(iter(seen["failed"].items()))
        raise InputError(f"none of {len(order.sources)} events can be measured: {event}: {why}")
    order = replace(order, sources=good)
    run = saved or run
    measurements = list(_measurements(order, seen["gpu"]))
    for number, measurement in enumerate(measurements):
        if measurement.name in run["parts"]:
            continue
        tell = begin(measurement.name, number, len(measurements))
        before = load()
        part = measurement.take(tell)
        crowded = before.crowded(measurement.threads)
        run["parts"][measurement.name] = part | {"load": asdict(before), "crowded": crowded}
        if path is not None:
            write_run(run, path)
    return run


def _measurements(order: Order, gpu: bool) -> Iterator[Measurement]:
    devices = [order.device]
    if order.device == "auto":
        devices = ["cpu", "cuda"] if gpu else ["cpu"]
    settings = [
        (device, threads)
        for device in devices
        for threads in (order.threads if device == "cpu" else order.threads[-1:])
    ]

    def job(device: str, threads: int) -> StageJob:
        precision = "auto" if device == "cpu" else order.precision
        return StageJob(order.pipeline, order.sources, device, threads, order.repeats, precision)

    for device, threads in settings:
        one = job(device, threads)
        take = partial(run_apart, measure_stages, one, threads_environment(threads))
        yield Measurement(f"stages, {_place(device, threads)}", threads, take)
    if order.startup:
        take = partial(measure_startup, job(devices[-1], 1))
        yield Measurement(f"start-up, {_place(devices[-1], 1)}", 1, take)
    for device, threads in settings:
        if order.growth and threads == order.threads[0 if device == "cpu" else -1]:
            take = partial(measure_growth, job(device, threads), order.growth)
            yield Measurement(f"growth, {_place(device, threads)}", threads, take)
    for device in devices if order.throughput else []:
        layouts = cpu_layouts(max(order.threads)) if device == "cpu" else gpu_layouts(len(cores()))
        for layout in layouts:
            one = job(device, layout.threads)
            take = partial(measure_throughput, one, layout, seconds=order.seconds)
            yield Measurement(f"throughput, {device}, {layout.name}", layout.cores, take)
    if order.ckf:
        take = partial(run_apart, measure_ckf, job("cpu", 1), threads_environment(1))
        yield Measurement(KEY, 1, take)
    for device in devices if order.reference else []:
        threads = order.threads[0 if device == "cpu" else -1]
        reference = ReferenceJob(job(device, threads), order.reference)
        take = partial(run_apart, measure_reference, reference, threads_environment(threads))
        yield Measurement(f"reference sizes, {_place(device, threads)}", threads, take)


def look(order: Order, _tell: Tell, _line: Connection) -> dict[str, Any]:
    """Whether the pipeline can be loaded, which one it is, which events it can be given, and
    which GPU there is."""
    import torch

    from hitgraph.pipeline import Pipeline
    from hitgraph.pipeline_files import find_pipeline

    pipeline = Pipeline.load(order.pipeline, order.device, order.precision)
    tried = HERE.share(partial(_try_event, pipeline), order.sources)
    failed = {one.name: str(why) for one, why in tried if isinstance(why, InputError)}
    if order.ckf:
        import_module("hitgraph.baseline.ckf")  # before any work: its extra may be missing
    gpu = torch.cuda.is_available()
    machine = {
        "torch": str(torch.__version__),  # as it is, it would bring torch along
        "gpu": torch.cuda.get_device_name() if gpu else None,
    }
    fingerprint = fingerprint_of_folder(find_pipeline(order.pipeline))
    return {"fingerprint": fingerprint, "machine": machine, "gpu": gpu, "failed": failed}


def _try_event(pipeline: "Pipeline", source: EventSource) -> None:
    """Raise InputError where the event cannot be read or is not for this pipeline."""
    from hitgraph.pipeline import check_detector

    event = source.read(cells=pipeline.recipe.clusters)
    check_detector(event, pipeline.detector)
    pipeline.start(event)


def read_run(path: Path) -> dict[str, Any]:
    """A saved benchmark. Raises InputError where the file is none."""
    run = read_json(path)
    if run.get("format") != FORMAT or not isinstance(run.get("parts"), dict):
        raise InputError(
            f"{path}: is not what `hitgraph benchmark` of this version writes: measure again"
        )
    return run


def write_run(run: dict[str, Any], path: Path) -> None:
    """Save a benchmark."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")


def _require_same(saved: dict[str, Any] | None, run: dict[str, Any], path: Path | None) -> None:
    """Refuse to go on with what was measured on something else."""
    if saved is None:
        return
    for key in run:
        if key not in MAY_DIFFER and saved.get(key) != run[key]:
            raise SettingsError(
                f"{path}: {key} is {saved.get(key)}, but now {run[key]}: give another --out, or "
                "leave --resume out to measure everything again"
            )


def _place(device: str, threads: int) -> str:
    return f"{device}, {threads} thread{'s' if threads > 1 else ''}"
