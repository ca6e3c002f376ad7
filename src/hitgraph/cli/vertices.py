"""Find primary vertices: where on the beam line the tracks of a collision come from.

    hitgraph reconstruct data/pu50 --pipeline compact --out tracks/compact
    hitgraph fit data/pu50 --tracks tracks/compact
    hitgraph vertices tracks/compact --out vertices/stacking
    hitgraph vertices tracks/compact --finder amvf --out vertices/amvf
    hitgraph evaluate tracks/compact --truth data/pu50 --vertices vertices/stacking vertices/amvf

Takes the fitted tracks EVENT-fits.parquet of `hitgraph fit`, or of a pipeline that finds
parameters, and writes EVENT-vertices.parquet, one row a vertex, and EVENT-attached.parquet,
one row a track that has one. The finders:

    stacking    maxima of the sum of a Gaussian in z0 for each track
    imaging     maxima of the tracks projected back onto the beam line, filtered
    amvf        the adaptive multi-vertex finder of ACTS (extra `sim`)
    iterative   the iterative vertex finder of ACTS (extra `sim`)
    learnt      groups of tracks that a network holds for similar: the stage `vertices` of
                --pipeline, which `hitgraph train vertices` teaches
"""

import argparse
from functools import partial
from pathlib import Path

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import (
    add_output,
    add_verbosity,
    add_workers,
    parse_range,
    set_verbosity,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tracks",
        type=Path,
        metavar="TRACKS_DIR",
        help="a folder with EVENT-tracks.csv or .parquet files and EVENT-fits.parquet beside them",
    )
    parser.add_argument(
        "--events",
        type=parse_range,
        metavar="A:B",
        help="only the events with numbers from A up to, but not including, B; N: only number N",
    )
    parser.add_argument(
        "--finder",
        choices=("stacking", "imaging", "amvf", "iterative", "learnt"),
        default="stacking",
        help="who finds the vertices (default stacking)",
    )
    parser.add_argument(
        "--pipeline",
        metavar="P",
        help="of the finder learnt: a pipeline that has the stage vertices",
    )
    parser.add_argument(
        "--beam-size",
        type=float,
        default=0.015,
        metavar="MM",
        help="standard deviation of the collisions across the beam (default 0.015)",
    )
    add_output(parser, "folder for the files of vertices")
    add_workers(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from hitgraph.cli.console import progress, say
    from hitgraph.cli.messages import complain
    from hitgraph.errors import InputError
    from hitgraph.tracks.vertices.beam import TrackCuts
    from hitgraph.vertices.finders import finder_of
    from hitgraph.vertices.run import find_event, fitted_events, left_to_do
    from hitgraph.workers import hire

    set_verbosity(args)
    cuts = TrackCuts(beam_size=args.beam_size)
    events = fitted_events(args.tracks, args.events)
    finder = finder_of(args.finder, args.pipeline)
    todo = left_to_do(events, args.out, finder.method, args.resume, args.force)
    find = partial(find_event, finder=finder, cuts=cuts, out=args.out)
    found, failed = 0, {}
    with hire(args.workers, args.dask) as workers, progress(args.quiet) as bar:
        task = bar.add_task("vertices", total=len(todo))
        for event, result in workers.share(find, todo, args.out):
            bar.advance(task)
            if isinstance(result, InputError):
                failed[event.name] = str(result)
            else:
                found += result
    say(
        f"{found} vertices of {len(todo) - len(failed)} events in {args.out}, "
        f"{len(events) - len(todo)} events were there, {len(failed)} failed",
        args.quiet,
    )
    for name, why in sorted(failed.items()):
        complain(f"failed {name}: {why}")
    return SOME_FAILED if failed else OK
