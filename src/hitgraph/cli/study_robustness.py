"""What `hitgraph study robustness` measures: the events given, changed, and simulated samples."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hitgraph.event.selection import Selection
    from hitgraph.event.source import EventSource
    from hitgraph.studies.plan import Plan
    from hitgraph.workers import Workers


def robustness_planning(
    args: argparse.Namespace,
    base: Mapping[str, Any],
    selection: "Selection",
    workers: "Workers",
) -> "Callable[[], Plan]":
    """Simulate what is asked for with the settings `base`; what makes the plan, in any process.

    Raises SettingsError for a name that is no change or sample, or nothing to measure.
    """
    from hitgraph.errors import SettingsError
    from hitgraph.event.source import list_events, require_different_names
    from hitgraph.studies.conditions import CHANGES, NOMINAL, SAMPLES

    changes = CHANGES if args.changes is None else _known("--changes", args.changes, CHANGES)
    samples: tuple[str, ...] = ()
    if args.simulate is not None:
        samples = _known("--simulate", args.simulate, tuple(SAMPLES)) or tuple(SAMPLES)
    if not args.paths and not samples:
        raise SettingsError("give EVENTS, which are changed, or --simulate, or both")
    if samples:
        # first, because the others are compared with it
        samples = (NOMINAL, *(name for name in samples if name != NOMINAL))
    for name in ("preset", "pileup"):
        if not samples and getattr(args, name) is not None:
            raise SettingsError(f"--{name} is about what --simulate makes: leave it out")
    simulated = _simulate(args, samples, base, workers)
    if args.paths:
        sources = list_events(args.paths, args.detectors, args.events)
        require_different_names(sources)
    else:
        sources = simulated.pop(NOMINAL)
    return partial(_plan, args, sources, simulated, selection, changes)


def _plan(
    args: argparse.Namespace,
    sources: "Sequence[EventSource]",
    simulated: "Mapping[str, Sequence[EventSource]]",
    selection: "Selection",
    changes: tuple[str, ...],
) -> "Plan":
    from hitgraph.studies import robustness
    from hitgraph.studies.plan import common_settings, load_pipelines, name_pipelines

    named = name_pipelines(args.pipeline, args.out if args.resume else None)
    every = [*sources, *(source for there in simulated.values() for source in there)]
    return robustness.plan(
        sources,
        simulated,
        load_pipelines(named, args.device),
        common_settings(named, every, selection),
        selection,
        changes,
        args.seed,
    )


def _simulate(
    args: argparse.Namespace, samples: Sequence[str], base: Mapping[str, Any], workers: "Workers"
) -> "dict[str, list[EventSource]]":
    from hitgraph.cli.console import progress
    from hitgraph.simulate.settings import SimulationSettings
    from hitgraph.studies.conditions import SAMPLES
    from hitgraph.studies.samples import simulate_sample

    nominal = SimulationSettings(**base)
    wanted = {name: SAMPLES[name].settings(nominal) for name in samples}
    with progress(args.quiet) as bar:
        task = bar.add_task("simulating", total=len(wanted) * args.each)
        return {
            name: simulate_sample(
                settings,
                args.each,
                args.out / "events" / name,
                workers,
                lambda: bar.advance(task),
            )
            for name, settings in wanted.items()
        }


def _known(option: str, given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """What is asked for, once each. Raises SettingsError for a name that is not known."""
    from hitgraph.errors import SettingsError

    for name in given:
        if name not in known:
            raise SettingsError(f"{option}: {name!r} is not known; any of {', '.join(known)}")
    return tuple(dict.fromkeys(given))
