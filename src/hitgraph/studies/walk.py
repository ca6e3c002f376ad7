"""What each stage of a pipeline leaves of an event."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from hitgraph.event.event import Event
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import START
from hitgraph.stage import gives_of, needs_of
from hitgraph.state import FIRST_PASS, LABELS, State
from hitgraph.tracks.both_passes import all_tracks

Int64 = NDArray[np.int64]


@runtime_checkable
class LooksInside(Protocol):
    """A stage that can show what it has in between, at the cost of time and memory."""

    def inside(self, state: State) -> dict[str, State]:
        """By name, in order; `state` is what the stage is given."""


@dataclass(frozen=True, eq=False)
class Step:
    """What is left after one stage: edges until tracks are built, then the tracks."""

    name: str  # as the pipeline names its stages
    edges: Int64 | None = None  # (2, n_edges) rows of hits
    labels: Int64 | None = None  # (n_hits,) track of each hit, -1 = none
    first_pass: Int64 | None = None  # (n_hits,) tracks set aside while the edges were made
    joins: bool = False  # a later stage changes tracks that are there


def walk(pipeline: Pipeline, event: Event) -> list[Step]:
    """Run the pipeline and keep what each stage leaves that changes edges or tracks.

    Raises what the run raises.
    """
    states = pipeline.run(event, keep="all").kept
    names = list(states)
    last_refiner = max((names.index(name) for name in refiners(pipeline)), default=-1)
    steps: list[Step] = []
    for k, name in enumerate(names):
        if name == START:
            continue
        before, after = states[names[k - 1]], states[name]
        stage = pipeline.stages[name]
        if isinstance(stage, LooksInside):
            with torch.inference_mode():
                for inner, state in stage.inside(before).items():
                    steps += _step(inner, before, state, last_refiner >= k)
        steps += _step(name, before, after, last_refiner > k)
    return steps


def refiners(pipeline: Pipeline) -> dict[str, str]:
    """The stages that change tracks which are there, in their order; for each the last one before
    it that left tracks of the whole event, not of a second pass alone."""
    found: dict[str, str] = {}
    whole, second_pass = None, False
    for step in pipeline.recipe.stages:
        needs, gives = needs_of(step.settings), gives_of(step.settings)
        if LABELS in needs & gives and whole is not None:
            found[step.name] = whole
        second_pass = (second_pass or FIRST_PASS in gives) and FIRST_PASS not in needs
        if LABELS in gives and not second_pass:
            whole = step.name
    return found


def _step(name: str, before: State, after: State, joins: bool) -> list[Step]:
    """One step where the state has other edges or labels than before, none otherwise."""
    first = after.hit.get("first_pass")
    if after.labels is not None and after.labels is not before.labels:
        return [Step(name, labels=all_tracks(after).cpu().numpy(), joins=joins)]
    if after.edges is not None and after.edges is not before.edges:
        aside = None if first is None else first.cpu().numpy()
        return [Step(name, after.edges.cpu().numpy(), first_pass=aside, joins=joins)]
    return []
