"""Find tracks the traditional way, on the same hits, to set beside ours. Needs the extra `sim`.

    hitgraph baseline ckf data/pu200 --out tracks/ckf
    hitgraph evaluate tracks/compact tracks/ckf --truth data/pu200

ckf: space points, triplet seeds, combinatorial Kalman filter and ambiguity resolution of ACTS, in
several passes from stiff to soft tracks (docs/baseline.md). Events must be taken in the TrackML
detector. Writes what `hitgraph reconstruct` writes: <event>-tracks.csv for each event, and run.json
with the time of each stage.
"""

import argparse

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", choices=("ckf",), help="ckf: the combinatorial Kalman filter")
    add_events(parser)
    add_output(parser, "folder for the track files")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    add_field(parser)
    add_workers(parser)
    add_json(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from importlib.metadata import version

    from hitgraph.acts.geometry import require_acts
    from hitgraph.event.source import list_events, require_different_names

    set_verbosity(args)
    require_acts("the baseline")
    sources = list_events(args.paths, args.detectors, args.events)
    require_different_names(sources)

    from hitgraph.baseline.ckf import Ckf
    from hitgraph.cli.reconstruct import find_all
    from hitgraph.fingerprint import fingerprint_of_settings
    from hitgraph.reconstruct import Signature

    finder = Ckf(field=field_argument(args))
    signature = Signature(args.method, fingerprint_of_settings(finder, version("pyacts")))
    return find_all(finder, signature, sources, args)
