"""Fit tracks: their parameters at the beam line, with a covariance.

    hitgraph fit data/pu200 --tracks tracks/compact
    hitgraph fit data/pu200 --tracks tracks/ckf --method kalman
    hitgraph report tracks/compact tracks/ckf --truth data/pu200 --out report.html

Takes the files EVENT-tracks.csv, .parquet or .root of any track finder and writes
EVENT-fits.parquet beside them: d0, z0, phi, theta and q/p of each track, with their
covariance. The methods:

    helix    our helix fit, with the field, scattering and energy loss; any detector with a table
    kalman   the Kalman filter of ACTS; events in the TrackML detector only, needs the extra `sim`
    learnt   the stages of a pipeline that find parameters (--pipeline), as a recipe with
             `use: regression` teaches them

Where the events have truth, a table tells the resolution and the pulls of tracks that match a
primary particle; the report shows them too, several folders side by side. Fits that are there are
not written over: --resume keeps them, --force fits again.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import (
    add_events,
    add_field,
    add_json,
    add_verbosity,
    add_workers,
    field_argument,
    set_verbosity,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hitgraph.cli.console import Table
    from hitgraph.evaluation.fit_quality import FitQuality
    from hitgraph.fitting import Fitter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_events(parser)
    parser.add_argument(
        "--tracks",
        type=Path,
        required=True,
        metavar="TRACKS_DIR",
        help="a folder with EVENT-tracks.csv, .parquet or .root files; the fits go there too",
    )
    parser.add_argument(
        "--method",
        choices=("helix", "kalman", "learnt"),
        default="helix",
        help="who fits the tracks (default helix)",
    )
    parser.add_argument(
        "--pipeline", metavar="P", help="of the method learnt: a shipped name or a pipeline folder"
    )
    add_field(parser)
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--resume", action="store_true", help="skip the events that are fitted")
    there.add_argument("--force", action="store_true", help="fit again the events that are fitted")
    add_workers(parser)
    add_json(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    import json

    from hitgraph.cli.console import console, progress, say
    from hitgraph.cli.messages import complain
    from hitgraph.errors import InputError, SettingsError
    from hitgraph.evaluation.comparison import find_tracks
    from hitgraph.evaluation.fit_quality import FitQuality, combine_fits
    from hitgraph.event.source import list_events, require_different_names
    from hitgraph.event.store import preset_of
    from hitgraph.files import atomic_write
    from hitgraph.fitting import fit_event, is_fitted
    from hitgraph.workers import hire

    set_verbosity(args)
    fitter = _fitter(args)
    sources = list_events(args.paths, args.detectors, args.events)
    require_different_names(sources)
    files = find_tracks(args.tracks)
    there = [source.name for source in sources if is_fitted(source.name, files)]
    if there and not (args.resume or args.force):
        raise SettingsError(
            f"{args.tracks}: holds fits of {there[0]}"
            + (f" and {len(there) - 1} more of these events" if len(there) > 1 else "")
            + " already: --resume keeps them and goes on, --force fits again"
        )
    fit = partial(
        fit_event,
        fitter=fitter,
        files=files,
        folder=args.tracks,
        field=field_argument(args),
        resume=args.resume,
    )
    results: dict[str, FitQuality | InputError | None] = {}
    with hire(args.workers, args.dask) as workers, progress(args.quiet) as bar:
        task = bar.add_task("fitting", total=len(sources))
        for source, result in workers.share(fit, sources, args.tracks):
            results[source.name] = result
            bar.advance(task)
    out = console(args.quiet)
    in_order = {source.name: results[source.name] for source in sources}
    failed = {name: str(one) for name, one in in_order.items() if isinstance(one, InputError)}
    known = [one for one in in_order.values() if isinstance(one, FitQuality)]
    together = {args.tracks.name: combine_fits(known)} if known else {}
    if together:
        preset = preset_of(source.path for source in sources)
        out.print(fit_table(together, preset))
    kept = sum(name not in failed for name in there) if args.resume else 0
    say(
        f"{len(sources) - len(failed) - kept} events fitted in {args.tracks}, {kept} were there, "
        f"{len(failed)} failed",
        args.quiet,
    )
    for name, why in failed.items():
        complain(f"failed {name}: {why}")
    if args.json is not None:
        content = {"tracks": {name: one.to_dict() for name, one in together.items()}}
        with atomic_write(args.json) as temporary:
            temporary.write_text(json.dumps(content | {"failed": failed}) + "\n", encoding="utf-8")
    return SOME_FAILED if failed else OK


def _fitter(args: argparse.Namespace) -> "Fitter":
    """The method that was asked for. Raises SettingsError for a pipeline that does not fit it."""
    from hitgraph.errors import SettingsError

    if (args.method == "learnt") != (args.pipeline is not None):
        raise SettingsError(
            "--pipeline: says which pipeline fits with --method learnt, and goes with no other "
            f"method; the method is {args.method}"
        )
    if args.method == "kalman":
        from hitgraph.acts.geometry import require_acts

        require_acts("the method kalman")
        from hitgraph.acts.fit import fit_tracks
        from hitgraph.fitting import Fitter

        return Fitter("kalman", fit_tracks)
    from hitgraph.fingerprint import fingerprint_of_folder
    from hitgraph.fitting import Fitter, LearntFit, helix_fit, parameter_stages
    from hitgraph.pipeline import Pipeline
    from hitgraph.pipeline_files import find_pipeline

    if args.method == "helix":
        return Fitter("helix", helix_fit)
    parameter_stages(Pipeline.load(args.pipeline))
    fingerprint = fingerprint_of_folder(find_pipeline(args.pipeline))
    return Fitter(f"learnt {fingerprint}", LearntFit(args.pipeline))


def fit_table(columns: "Mapping[str, FitQuality]", preset: str | None) -> "Table":
    """Resolution and pulls for the terminal, one column a folder."""
    from hitgraph.cli.console import Table, titled
    from hitgraph.evaluation.fit_tables import fit_rows

    title = titled("Fitted tracks that match a primary particle", preset)
    table = Table(("", *columns), title)
    for row in fit_rows(columns):
        table.add(row.name, *row.cells)
    return table
