"""The study `vertices`: every vertex finder on the tracks of pipelines, and of a Kalman filter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.acts.geometry import require_acts
from hitgraph.errors import SettingsError
from hitgraph.evaluation.vertex_quality import VertexQuality, combine_vertices, vertex_quality
from hitgraph.event.event import Event
from hitgraph.event.fits import FittedTracks
from hitgraph.event.selection import Selection
from hitgraph.event.source import EventSource
from hitgraph.fitting import helix_fit
from hitgraph.pipeline import Pipeline
from hitgraph.studies.output import Result
from hitgraph.studies.plan import Plan, Points
from hitgraph.studies.points import Point
from hitgraph.studies.samples import setting_of
from hitgraph.studies.scan import read
from hitgraph.studies.vertices_output import VertexScan, vertex_result
from hitgraph.tracks.parameters.stage import PARAMETERS, fitted_tracks
from hitgraph.tracks.vertices.beam import TrackCuts
from hitgraph.vertices.finders import FINDERS, LEARNT, Finder, finder_of, learnt_seeder

CKF = "ckf"  # the name of its tracks

Fitted = tuple[NDArray[np.int64], FittedTracks]  # the track of each hit, and their parameters
FindTracks = Callable[[Event], Fitted]


def plan(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    selection: Selection,
    names: Sequence[str] | None = None,
    ckf: bool = False,
) -> Plan:
    """One sample a folder of events, whose dataset.json tells its pile-up.

    The finders are those of `names`, by default all there are: the learnt one where a pipeline has
    the stage `vertices`. Raises MissingExtraError where they or the `ckf` need ACTS and there is
    none, SettingsError where no pipeline has the stage, InputError where a folder does not tell.
    """
    finders = _finders(names, pipelines)
    chains: dict[str, tuple[bool, FindTracks]] = {
        name: (pipeline.recipe.clusters, partial(_by_pipeline, pipeline))
        for name, pipeline in pipelines.items()
    }
    if ckf:
        require_acts("the Kalman filter")
        chains[CKF] = (True, _by_ckf)
    pileup = {path: setting_of(path, "pileup") for path in {one.path.parent for one in sources}}
    points = [
        Point(
            f"{name}-{source.name}-{pileup[source.path.parent]:g}",
            partial(_measure, source, *chain, finders, selection, name, pileup[source.path.parent]),
        )
        for source in sources
        for name, chain in chains.items()
    ]
    known = {**settings, "finders": [*finders], "ckf": ckf}
    return Plan(points, known, _summarise)


def _finders(names: Sequence[str] | None, pipelines: Mapping[str, Pipeline]) -> dict[str, Finder]:
    seeders = (learnt_seeder(pipeline) for pipeline in pipelines.values())
    learnt = next((seeder for seeder in seeders if seeder is not None), None)
    if names is not None and LEARNT in names and learnt is None:
        raise SettingsError(
            f"--finders {LEARNT}: no --pipeline has a stage that finds vertices: train one with "
            "the recipe `vertices`"
        )
    found = {}
    for name in FINDERS if names is None else names:
        if name != LEARNT:
            found[name] = finder_of(name)
        elif learnt is not None:
            found[name] = Finder(name, learnt)
    return found


def _measure(
    source: EventSource,
    cells: bool,
    chain: FindTracks,
    finders: Mapping[str, Finder],
    selection: Selection,
    name: str,
    pileup: float,
) -> dict[str, Any]:
    event = read(source, cells)
    labels, fits = chain(event)
    found = {
        finder: vertex_quality(event, labels, fits.track_id, find(fits, TrackCuts()), selection)
        for finder, find in finders.items()
    }
    kept = {finder: _kept(quality) for finder, quality in found.items()}
    return {"tracks": name, "pileup": pileup, "finders": kept}


def _by_pipeline(pipeline: Pipeline, event: Event) -> Fitted:
    """With the pipeline's own parameters, where it finds some, else with those of a helix fit."""
    result = pipeline.run(event)
    if PARAMETERS in result.state.names:
        return result.labels, fitted_tracks(result.state)
    return result.labels, helix_fit(event, result.labels)


def _by_ckf(event: Event) -> Fitted:
    from hitgraph.baseline.ckf import Ckf

    labels = Ckf().run(event).labels
    return labels, helix_fit(event, labels)


def _kept(quality: VertexQuality) -> dict[str, Any]:
    """All of it, as JSON-able lists and numbers."""
    values = {field.name: getattr(quality, field.name) for field in fields(quality)}
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }


def _read(kept: Mapping[str, Any]) -> VertexQuality:
    values: dict[str, Any] = {
        name: np.array(value) if isinstance(value, list) else value for name, value in kept.items()
    }
    return VertexQuality(**values)


def _summarise(points: Points) -> Result:
    parts: dict[str, dict[str, dict[float, list[VertexQuality]]]] = {}
    for point in points.values():
        for finder, kept in point["finders"].items():
            of_finder = parts.setdefault(point["tracks"], {}).setdefault(finder, {})
            of_finder.setdefault(point["pileup"], []).append(_read(kept))
    scan: VertexScan = {
        tracks: {
            finder: {mu: combine_vertices(some) for mu, some in sorted(values.items())}
            for finder, values in of_tracks.items()
        }
        for tracks, of_tracks in parts.items()
    }
    return vertex_result(scan)
