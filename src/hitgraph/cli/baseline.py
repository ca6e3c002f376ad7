"""Find tracks the traditional way, on the same hits, to set beside ours. Needs the extra `sim`.

    hitgraph baseline ckf data/pu200 --out tracks/ckf
    hitgraph baseline ckf data/pu200 --seeds compact --out tracks/ckf-seeded
    hitgraph evaluate tracks/compact tracks/ckf tracks/ckf-seeded --truth data/pu200

ckf: space points, triplet seeds, combinatorial Kalman filter and ambiguity resolution of ACTS, in
several passes from stiff to soft tracks (docs/baseline.md). With --seeds the seeds are those of a
pipeline, triplets of hits whose edges or triplets it scores highest, in one pass. Events must be
taken in the TrackML detector. Writes what `hitgraph reconstruct` writes: <event>-tracks.csv for
each event, and run.json with the time of each stage.
"""

import argparse
from typing import TYPE_CHECKING

from hitgraph.cli.arguments import (
    add_events,
    add_field,
    add_json,
    add_output,
    add_verbosity,
    add_workers,
    field_argument,
    set_verbosity,
)

if TYPE_CHECKING:
    from hitgraph.reconstruct import Finder, Signature


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", choices=("ckf",), help="ckf: the combinatorial Kalman filter")
    add_events(parser)
    add_output(parser, "folder for the track files")
    parser.add_argument("--format", choices=("csv", "parquet", "root"), default="csv")
    parser.add_argument(
        "--seeds",
        metavar="P",
        help="follow the seeds of this pipeline, a shipped name or a folder, instead of grid seeds",
    )
    add_field(parser)
    add_workers(parser)
    add_json(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from hitgraph.acts.geometry import require_acts
    from hitgraph.event.source import list_events, require_different_names

    set_verbosity(args)
    require_acts("the baseline")
    sources = list_events(args.paths, args.detectors, args.events)
    require_different_names(sources)

    from hitgraph.cli.reconstruct import find_all

    finder, signature = _finder(args)
    return find_all(finder, signature, sources, args)


def _finder(args: argparse.Namespace) -> "tuple[Finder, Signature]":
    """The chain that was asked for, and what tells its tracks from those of others."""
    from functools import partial
    from importlib.metadata import version

    from hitgraph.baseline.ckf import Ckf
    from hitgraph.fingerprint import fingerprint_of_folder, fingerprint_of_settings
    from hitgraph.pipeline_files import find_pipeline
    from hitgraph.reconstruct import OpenedHere, Signature

    field, acts = field_argument(args), version("pyacts")
    if args.seeds is None:
        ckf = Ckf(field=field)
        return ckf, Signature(args.method, fingerprint_of_settings(ckf, acts))
    from hitgraph.baseline.seeded import open_seeded
    from hitgraph.baseline.settings import SEED_CUT, SEEDED

    opening = partial(open_seeded, args.seeds, field)
    finder = OpenedHere(opening, opening())
    folder = fingerprint_of_folder(find_pipeline(args.seeds))
    fingerprint = fingerprint_of_settings(SEEDED, SEED_CUT, field, folder, acts)
    return finder, Signature(f"{args.method} seeded by {args.seeds}", fingerprint)
