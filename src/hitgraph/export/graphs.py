"""Graphs on which an export is compared with its pipeline: three sizes, one edge, and none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import pi

import torch
from torch import Tensor

from hitgraph.event.event import Event
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import START
from hitgraph.state import State

SHARES = (1.0, 0.3, 0.1)  # of the azimuth: events of a sample may all be of one size
MOST_EDGES = 1_000_000  # of the largest part, about: a network runs whole, without our kernels

States = Mapping[str, State]  # before each stage


def states_of(pipeline: Pipeline, events: Sequence[Event]) -> dict[str, States]:
    """Of each graph by name, the state before every stage of the pipeline.

    The parts SHARES of three events, or of the same one where there are fewer; smaller ones of
    events with more than MOST_EDGES. Then one edge of the last, and its hits without it.
    """
    found: dict[str, States] = {}
    before = [_before(pipeline, event) for event in events[: len(SHARES)]]
    for k, part in enumerate(SHARES):
        whole = before[k % len(before)]
        n_edges = max(0 if one.edges is None else one.edges.shape[1] for one in whole.values())
        share = part * min(1.0, MOST_EDGES / max(n_edges, 1))
        states = {name: sector(one, share) for name, one in whole.items()}
        found[f"{100 * share:.3g} % of {events[k % len(before)].name}"] = states
    last = list(found.values())[-1]
    found["one edge"] = {name: some_edges(state, 1) for name, state in last.items()}
    found["no edge"] = {name: some_edges(state, 0) for name, state in last.items()}
    return found


def _before(pipeline: Pipeline, event: Event) -> dict[str, State]:
    names = [START, *pipeline.stages]
    kept = pipeline.run(event, keep=names[:-1]).kept
    return {name: kept[before] for before, name in zip(names, pipeline.stages, strict=False)}


def sector(state: State, share: float) -> State:
    """The hits of the first `share` of the azimuth, and the edges between them."""
    x, y, _ = state.hits.position.unbind(dim=1)
    return _part(state, torch.atan2(y, x) <= (2 * share - 1) * pi)


def some_edges(state: State, n_edges: int) -> State:
    """The first edges and their hits; without edges the first two hits, or none."""
    chosen = torch.zeros(len(state.hits), dtype=torch.bool)
    if state.edges is None:
        chosen[: 2 * n_edges] = True
        return _part(state, chosen)
    chosen[state.edges[:, : max(n_edges, 1)].flatten()] = True
    return _part(state, chosen, n_edges)


def _part(state: State, hits: Tensor, most: int | None = None) -> State:
    """The marked hits (n_hits,) bool, and at most so many edges between them."""
    rows = torch.nonzero(hits).squeeze(1)
    columns = {name: column[rows] for name, column in state.hit.items()}
    smaller = State(state.hits.select(rows), hit=columns)
    if state.edges is None:
        return smaller
    kept = torch.nonzero(hits[state.edges].all(dim=0)).squeeze(1)[:most]
    edges = (torch.cumsum(hits, 0) - 1)[state.edges[:, kept]]
    return replace(
        smaller, edges=edges, edge={name: column[kept] for name, column in state.edge.items()}
    )
