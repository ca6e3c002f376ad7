"""Studies: how a pipeline does when one thing about the events is changed.

    hitgraph study losses data/pu200 --out studies/losses
    hitgraph study noise data/pu200 --pipeline compact runs/noisefree --out studies/noise

Each study prints tables and writes STUDY.json and its figures (PNG and SVG) into DIR. Every
measurement is kept in DIR/points, so that an interrupted study goes on with --resume; --force
measures anew. Needs the extra `plot`. `hitgraph study NAME --help` explains a study,
docs/studies.md all of them.
"""

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import (
    DEFAULT_PIPELINE,
    add_device,
    add_events,
    add_json,
    add_output,
    add_selection,
    add_verbosity,
    add_workers,
    positive,
    selection_argument,
    set_verbosity,
    threads_of_worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hitgraph.event.selection import Selection
    from hitgraph.event.source import EventSource
    from hitgraph.pipeline import Pipeline
    from hitgraph.studies.plan import Plan
    from hitgraph.studies.points import Point
    from hitgraph.workers import Workers

STUDIES = {
    "losses": "where true edges, tracks and score are lost, stage by stage",
    "pileup": "efficiency and purity against the number of hits, by samples of several pile-ups",
    "noise": "efficiency and purity against the share of noise hits, which replaces the noise",
    "misalignment": "the innermost barrel layers are moved along x",
    "rotation": "the hits are turned about the beam line, without and with the module table",
    "field": "efficiency and purity against the magnetic field, by samples",
    "particles": "efficiency against pT, eta, production radius, and in dense surroundings",
    "regions": "tracks found region by region beside those of full events, and the time",
    "size": "graph size, time and memory against the number of hits",
    "scaling": "time of data-parallel training against the number of ranks",
    "robustness": "detector, beam and events other than those a pipeline was taught on",
    "vertices": "every vertex finder against pile-up, by samples of several pile-ups",
}
# compare folders of events, which differ in this setting of their simulation
SAMPLES = {"pileup": "pileup", "field": "field", "vertices": "pileup"}
SIMULATE = (*SAMPLES, "robustness")  # can simulate events
SPEED = ("size", "scaling")  # look at time, so that no particles are selected


def add_arguments(parser: argparse.ArgumentParser) -> None:
    subparsers = parser.add_subparsers(dest="study", metavar="NAME", title="studies", required=True)
    for name, summary in STUDIES.items():
        study = subparsers.add_parser(name, help=summary, description=summary)
        add_events(study, optional=name in SIMULATE)
        study.add_argument(
            "--pipeline",
            nargs="+",
            default=[DEFAULT_PIPELINE],
            metavar="P",
            help=f"shipped names or pipeline folders, side by side (default {DEFAULT_PIPELINE})",
        )
        if name in SPEED:
            study.set_defaults(select=[])
        else:
            add_selection(study)
        _add_own(study, name)
        add_output(study, "folder for the tables, figures and measurements")
        if name == "scaling":  # they would disturb each other
            study.set_defaults(workers=None, dask=None)
        else:
            add_workers(study)
        add_device(study)
        add_json(study)
        add_verbosity(study)


def _add_own(study: argparse.ArgumentParser, name: str) -> None:
    """What only one study is told."""
    if name in SAMPLES:
        what = "factors of the field of TrackML" if name == "field" else "mean pile-ups"
        _add_values(study, "--simulate", f"instead of EVENTS: simulate samples with these {what}")
    if name == "robustness":
        study.add_argument(
            "--changes",
            nargs="*",
            metavar="NAME",
            help="what is made of EVENTS (default all, see docs/studies.md; none without a NAME)",
        )
        study.add_argument(
            "--simulate",
            nargs="*",
            metavar="NAME",
            help="also simulate these samples (all without a NAME), and EVENTS if none are given",
        )
    if name in SIMULATE:
        study.add_argument(
            "--each", type=positive, default=3, metavar="N", help="events a sample (default 3)"
        )
        study.add_argument(
            "--preset", metavar="NAME", help="of what is simulated (default trackml-like)"
        )
        if SAMPLES.get(name) != "pileup":
            study.add_argument(
                "--pileup", type=float, metavar="MU", help="of what is simulated (default 200)"
            )
    if name == "vertices":
        study.add_argument(
            "--finders",
            nargs="+",
            choices=("stacking", "imaging", "amvf", "iterative", "learnt"),
            metavar="NAME",
            help="of hitgraph vertices (default all; learnt is that of a --pipeline that has one)",
        )
        study.add_argument(
            "--ckf", action="store_true", help="also from the tracks of hitgraph baseline ckf"
        )
    if name == "noise":
        _add_values(study, "--fractions", "of all hits (default 0 0.04 0.08 0.12 0.16 0.2)")
    if name in ("noise", *SIMULATE):
        study.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")
    if name == "regions":
        study.add_argument(
            "--regions",
            nargs="+",
            metavar="NxM",
            help="parts of an event, of azimuth and eta (default 8 8x4 16x8)",
        )
        _add_values(study, "--min-pt", "GeV, whose hits are taken (default 1 0.5 0.3 0.1)")
    if name == "misalignment":
        _add_values(study, "--shifts", "in mm (default 0 0.1 0.2 0.5 1)")
        study.add_argument(
            "--layers",
            nargs="+",
            type=positive,
            metavar="N",
            help="how many of the innermost barrel layers are moved (default 1 4)",
        )
    if name == "rotation":
        _add_values(study, "--angles", "in degrees (default 0 0.01 0.1 1 10 90)")

    if name == "scaling":
        study.add_argument(
            "--ranks",
            nargs="+",
            type=positive,
            metavar="N",
            help="processes or GPUs that share a training (default 1 2)",
        )
        study.add_argument(
            "--batches",
            type=positive,
            metavar="N",
            help="of an epoch in strong scaling, of each rank in weak scaling (default 16)",
        )


def _add_values(study: argparse.ArgumentParser, option: str, text: str) -> None:
    study.add_argument(option, nargs="+", type=float, metavar="X", help=text)


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace
    from importlib import import_module

    from hitgraph.cli.console import progress
    from hitgraph.cli.messages import complain
    from hitgraph.cli.study_robustness import robustness_planning
    from hitgraph.cli.written import show_written
    from hitgraph.studies.output import write
    from hitgraph.studies.points import measure
    from hitgraph.threads import set_threads
    from hitgraph.workers import hire

    set_verbosity(args)
    set_threads(args.threads)
    import_module("hitgraph.evaluation.style")  # first: it may lack its extra
    selection = _selection(args)
    with hire(args.workers, args.dask) as workers:
        if args.study == "robustness":
            make = robustness_planning(args, _simulation_base(args), selection, workers)
        else:
            make = partial(_plan, args, _sources(args, workers), selection)
        plan = make()
        with progress(args.quiet) as bar:
            task = bar.add_task(f"study {args.study}", total=len(plan.points))
            measured = measure(
                plan.points,
                args.out,
                plan.settings,
                args.resume,
                lambda: bar.advance(task),
                force=args.force,
                workers=workers,
                again=partial(_points, make, threads_of_worker(args)),
            )
    result = plan.summarise(measured.done)
    paths = write(result, args.study, plan.settings, args.out)
    chosen = f"; particles: {selection}" if args.select else ""
    tables = [replace(table, title=table.title + chosen) for table in result.tables]
    show_written(tables, plan.settings["preset"], paths, args)
    for key, why in measured.failed.items():
        complain(f"failed {key}: {why}")
    return SOME_FAILED if measured.failed else OK


def _selection(args: argparse.Namespace) -> "Selection":
    """Without a word the study `losses` looks at all particles, as their losses add up to all."""
    from hitgraph.event.selection import ALL_PARTICLES, SELECTED

    return selection_argument(args, ALL_PARTICLES if args.study == "losses" else SELECTED)


def _points(make: "Callable[[], Plan]", threads: int | None) -> "Sequence[Point]":
    """The points of a plan, made again in the process of a worker."""
    from hitgraph.threads import set_threads

    set_threads(threads)
    return make().points


def _sources(args: argparse.Namespace, workers: "Workers") -> "list[EventSource]":
    from hitgraph.cli.console import progress
    from hitgraph.errors import SettingsError
    from hitgraph.event.source import list_events, require_different_names

    if args.study not in SAMPLES:
        sources = list_events(args.paths, args.detectors, args.events)
        if args.study not in SPEED:
            require_different_names(sources)
        return sources
    if bool(args.paths) == bool(args.simulate):
        raise SettingsError("give either EVENTS, folders of simulated events, or --simulate")
    if args.paths:
        for name in ("preset", "pileup"):
            if getattr(args, name, None) is not None:
                raise SettingsError(f"--{name} is about what --simulate makes: leave it out")
        return list_events(args.paths, args.detectors, args.events)
    from hitgraph.studies.samples import sample_settings, simulate_samples

    setting = SAMPLES[args.study]
    samples = sample_settings(setting, args.simulate, **_simulation_base(args))
    with progress(args.quiet) as bar:
        task = bar.add_task("simulating", total=len(samples) * args.each)
        return simulate_samples(
            *(setting, samples, args.each, args.out, workers),
            advance=lambda: bar.advance(task),
        )


def _simulation_base(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of the simulation that the options of a study tell."""
    told = {name: getattr(args, name, None) for name in ("seed", "preset", "pileup")}
    return {name: value for name, value in told.items() if value is not None}


def _plan(args: argparse.Namespace, sources: "list[EventSource]", selection: "Selection") -> "Plan":
    from hitgraph.cli.region_arguments import part_numbers
    from hitgraph.studies import (
        losses,
        misalignment,
        noise,
        particles,
        regions,
        samples,
        size,
        vertices,
    )
    from hitgraph.studies.plan import common_settings, load_pipelines, name_pipelines

    named = name_pipelines(args.pipeline, args.out if args.resume else None)
    settings = common_settings(named, sources, selection)
    common = (sources, load_pipelines(named, args.device), settings, selection)
    match args.study:
        case "noise":
            return noise.plan(*common, args.fractions or noise.FRACTIONS, args.seed)
        case "misalignment":
            return misalignment.misalignment_plan(
                *common, args.shifts or misalignment.SHIFTS, args.layers or misalignment.LAYERS
            )
        case "rotation":
            return misalignment.rotation_plan(*common, args.angles or misalignment.ANGLES)
        case "losses":
            return losses.plan(*common)
        case "particles":
            return particles.plan(*common)
        case "regions":
            parts = [part_numbers(text) for text in args.regions or ()] or regions.PARTS
            return regions.plan(*common, parts, args.min_pt or regions.MIN_PTS)
        case "size":
            return size.plan(*common[:3])
        case "vertices":
            return vertices.plan(*common, args.finders, args.ckf)
        case "scaling":
            return _scaling_plan(args, *common[:3])
        case _:
            return samples.plan(args.study, *common)


def _scaling_plan(
    args: argparse.Namespace,
    sources: "list[EventSource]",
    pipelines: "Mapping[str, Pipeline]",
    settings: "Mapping[str, Any]",
) -> "Plan":
    from hitgraph.devices import find_device
    from hitgraph.errors import MissingExtraError

    try:
        from hitgraph.studies import scaling
    except ModuleNotFoundError as error:
        raise MissingExtraError("measuring a training", "train") from error
    how = scaling.Scaling(
        tuple(args.ranks or scaling.RANKS),
        args.batches or scaling.BATCHES,
        str(find_device(args.device)),
        args.threads or 1,
    )
    return scaling.plan(sources, pipelines, settings, how)
