"""The study `noise`: efficiency and purity against the share of noise hits.

As arXiv 2103.06995, table 1 and figure 7, which have a pipeline trained without noise.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.event.source import EventSource
from hitgraph.event.store import read_dataset_info
from hitgraph.pipeline import Pipeline
from hitgraph.simulate.settings import PRESETS
from hitgraph.studies.changes import check_noise, with_noise
from hitgraph.studies.plan import Plan
from hitgraph.studies.scan import Change, Changed, scan_plan, scan_points
from hitgraph.studies.scan_output import Axis, scan_result

FRACTIONS = (0.0, 0.04, 0.08, 0.12, 0.16, 0.20)  # those of the paper
AXIS = Axis("noise / all hits")


def plan(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    selection: Selection,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 1,
) -> Plan:
    """The noise of every event is replaced by `fractions` of noise, equal for all pipelines.

    Raises SettingsError for a fraction that cannot be.
    """
    for fraction in fractions:
        check_noise(fraction)
    points = [
        point
        for source in sources
        for point in scan_points([source], pipelines, _changes(source, fractions, seed), selection)
    ]
    known = {**settings, "noise": list(fractions), "seed": seed}
    return scan_plan(points, known, lambda scan: scan_result("noise", scan, AXIS, relative=True))


def _changes(source: EventSource, fractions: Sequence[float], seed: int) -> list[Change]:
    preset = preset_of_noise(source)
    return [
        Change(one, partial(noisy, fraction=one, seed=seed, preset=preset)) for one in fractions
    ]


def preset_of_noise(source: EventSource) -> str:
    """Noise as the event's own: that of the preset it was simulated with, plain where unknown."""
    preset = read_dataset_info(source.path.parent).get("preset")
    return preset if preset in PRESETS else "plain"


def noisy(pipeline: Pipeline, event: Event, fraction: float, seed: int, preset: str) -> Changed:
    """The event with noise that makes `fraction` of its hits; the same for every pipeline."""
    rng = np.random.default_rng([seed, event.number])
    detector = event.detector or pipeline.detector
    return pipeline, with_noise(event, detector, fraction, rng, preset)
