"""Turn events into tracks with a trained pipeline.

    hitgraph reconstruct data/pu200 --pipeline compact --out tracks

Writes <event>-tracks.csv (event_id, hit_id, track_id; 0 = on no track) for each event, where hits
are made of clusters also <event>-trackclusters.csv (event_id, track_id, cluster_id), and
run.json with the time, edges, efficiency and purity of each stage. An event that cannot be read
is reported and left out; the others go on. Tracks that are there are not written over: --resume
goes on behind them, --force makes them anew. Where events are outside of what the pipeline was
taught on, a warning says so once of each kind: hit density, vertices, dead modules, hits on no
track, cluster sizes.

    hitgraph reconstruct data/pu200 --region 0.5,1.2 --out roi
    hitgraph reconstruct data/pu200 --regions 8 --out tracks

--region finds the tracks of one region of interest, --regions those of the event in overlapping
regions, one after the other; hits outside and tracks of other regions have track_id 0.
"""

import argparse
from typing import TYPE_CHECKING

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import (
    DEFAULT_PIPELINE,
    add_device,
    add_events,
    add_json,
    add_output,
    add_precision,
    add_verbosity,
    add_workers,
    set_verbosity,
    threads_of_worker,
)
from hitgraph.cli.region_arguments import add_regions, regions_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hitgraph.cli.console import Table
    from hitgraph.event.regions import Regions
    from hitgraph.event.source import EventSource
    from hitgraph.pipeline import Pipeline
    from hitgraph.reconstruct import Finder, Run, Signature


WORTH_SAYING = 1.0  # seconds of compilation

# title and format of what is known of a stage
STAGE_COLUMNS = {
    "seconds": ("seconds", ".2f"),
    "edges": ("edges", ",.0f"),
    "efficiency": ("edge efficiency", ".4f"),
    "target_efficiency": ("of targets", ".4f"),
    "purity": ("edge purity", ".3f"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_events(parser)
    parser.add_argument(
        "--pipeline",
        default=DEFAULT_PIPELINE,
        metavar="P",
        help=f"a shipped name or a pipeline folder (default {DEFAULT_PIPELINE})",
    )
    add_output(parser, "folder for the track files")
    parser.add_argument("--format", choices=("csv", "parquet", "root"), default="csv")
    add_device(parser)
    add_precision(parser)
    add_regions(parser)
    add_workers(parser)
    add_json(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from functools import partial

    from hitgraph.cli.first_run import compile_kernels
    from hitgraph.event.source import list_events, require_different_names
    from hitgraph.fingerprint import fingerprint_of_folder, fingerprint_of_settings
    from hitgraph.pipeline import Pipeline
    from hitgraph.pipeline_files import find_pipeline
    from hitgraph.reconstruct import OpenedHere, Signature
    from hitgraph.threads import set_threads

    set_verbosity(args)
    regions = regions_argument(args)
    sources = list_events(args.paths, args.detectors, args.events)
    require_different_names(sources)
    set_threads(args.threads)
    pipeline = Pipeline.load(args.pipeline, args.device, args.precision)
    signature = Signature(args.pipeline, fingerprint_of_folder(find_pipeline(args.pipeline)))
    threads = threads_of_worker(args)
    opening = partial(open_finder, signature, args.device, args.precision, threads, regions)
    finder = OpenedHere(opening, _judged(pipeline, regions))
    if regions is not None:
        own = fingerprint_of_settings(signature.fingerprint, regions)
        signature = Signature(signature.name, own, str(regions))
    return find_all(
        finder,
        signature,
        sources,
        args,
        pipeline.recipe.clusters,
        partial(compile_kernels, pipeline, sources, args.quiet),
    )


def open_finder(
    signature: "Signature",
    device: str,
    precision: str,
    threads: int | None,
    regions: "Regions | None" = None,
) -> "Finder":
    """The pipeline, opened in another process; HitgraphError where it is another one there."""
    from hitgraph.errors import HitgraphError
    from hitgraph.fingerprint import fingerprint_of_folder
    from hitgraph.pipeline import Pipeline
    from hitgraph.pipeline_files import find_pipeline
    from hitgraph.threads import set_threads

    there = fingerprint_of_folder(find_pipeline(signature.name))
    if there != signature.fingerprint:
        raise HitgraphError(
            f"{signature.name}: is another pipeline for a worker (fingerprint {there}) than here "
            f"({signature.fingerprint}): give a folder that all workers see"
        )
    set_threads(threads)
    return _judged(Pipeline.load(signature.name, device, precision), regions)


def _judged(pipeline: "Pipeline", regions: "Regions | None") -> "Finder":
    """The pipeline, whose runs are judged and compared with the events that it was taught on."""
    from hitgraph.domain import Watched, beam_of
    from hitgraph.evaluation.judging import Judged
    from hitgraph.regional import Regional

    finder: Judged | Watched = Judged(pipeline)
    if pipeline.domain is not None:
        whole = regions is None
        finder = Watched(finder, pipeline.domain, pipeline.detector, whole)
    if regions is None:
        return finder
    beam = beam_of(pipeline.domain, pipeline.detector, pipeline.recipe.name)
    return Regional(finder, regions, beam)


def find_all(
    finder: "Finder",
    signature: "Signature",
    sources: "Sequence[EventSource]",
    args: argparse.Namespace,
    cells: bool = True,
    prepare: "Callable[[], None]" = lambda: None,
) -> int:
    """Write the tracks and the summary of a run, say how it went; the exit status.

    `prepare` is called before the first event, once it is known that the folder may be written, and
    that there is an event to do.
    """
    import json

    from hitgraph.cli.console import console, progress, say
    from hitgraph.cli.messages import complain
    from hitgraph.event.store import preset_of
    from hitgraph.files import atomic_write
    from hitgraph.kernels.jit import compile_time
    from hitgraph.reconstruct import claim, events_left, reconstruct, write_summary
    from hitgraph.workers import hire

    names = [source.name for source in sources]
    with hire(args.workers, args.dask) as workers:
        claim(args.out, signature, names, args.resume, args.force)
        if not args.resume or any(events_left(sources, args.out, args.format)):
            prepare()
        with progress(args.quiet) as bar, compile_time() as compiled:
            task = bar.add_task("finding tracks", total=len(sources))
            result = reconstruct(
                finder,
                signature,
                sources,
                args.out,
                cells=cells,
                suffix=args.format,
                resume=args.resume,
                workers=workers,
                advance=lambda: bar.advance(task),
            )
    summary = write_summary(signature, args.out)
    if args.json is not None:
        with atomic_write(args.json) as temporary:
            temporary.write_text(json.dumps(json.loads(summary.read_text())), encoding="utf-8")
    out = console(args.quiet)
    if result.done:
        out.print(stage_table(result, preset_of(source.path for source in sources)))
    if sum(compiled) > WORTH_SAYING:
        say(
            f"In these times are {sum(compiled):.0f} s in which kernels were compiled, once on a "
            "machine: a second run shows what the stages take.",
            args.quiet,
        )
    shared = [one.shared_fraction for one in result.done if one.shared_fraction is not None]
    if shared:
        say(f"hits that several tracks claimed: {sum(shared) / len(shared):.2%}", args.quiet)
    clusters = [one.shared_clusters for one in result.done if one.shared_clusters is not None]
    if clusters:
        mean = sum(clusters) / len(clusters)
        say(f"clusters on several tracks, of those on tracks: {mean:.2%}", args.quiet)
    say(
        f"{len(result.done)} events written to {args.out}, {len(result.skipped)} were there, "
        f"{len(result.failed)} failed",
        args.quiet,
    )
    for event, why in result.failed.items():
        complain(f"failed {event}: {why}")
    if result.interrupted:
        raise KeyboardInterrupt
    return SOME_FAILED if result.failed else OK


def stage_table(result: "Run", preset: str | None) -> "Table":
    """The stages side by side: time, and what is known of the edges that are left."""
    from hitgraph.cli.console import Table, titled
    from hitgraph.reconstruct import stage_means

    hits = sum(entry.n_hits for entry in result.done) / len(result.done)
    rows = stage_means(result)
    title = f"Stages, mean of {len(result.done)} events of {hits:,.0f} hits"
    shown = {
        key: column
        for key, column in STAGE_COLUMNS.items()
        if any(row[key] is not None for row in rows)
    }
    table = Table(("stage", *(column for column, _ in shown.values())), titled(title, preset))
    for row in rows:
        cells = [_text(row[key], form) for key, (_, form) in shown.items()]
        table.add(str(row["stage"]), *cells)
    total = sum(stage.seconds for entry in result.done for stage in entry.stages)
    table.add("all", f"{total / len(result.done):.2f}")
    return table


def _text(value: float | str | None, form: str) -> str:
    return "" if value is None or isinstance(value, str) else format(value, form)
