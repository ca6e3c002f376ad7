"""A pipeline walked through stage by stage, with what each stage leaves."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.event.event import Event
from hitgraph.graph.filter import score_candidates
from hitgraph.graph.hits import hits_from_event
from hitgraph.graph.scored import ScoredWindows
from hitgraph.graph.windows import WindowBuilder
from hitgraph.pipeline import Pipeline, check_detector

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Step:
    """What is left after one stage: edges until tracks are built, then the tracks."""

    name: str  # windows, graph, filter, gnn, tracks, join
    edges: Int64 | None = None  # (2, n_edges) rows of hits
    labels: Int64 | None = None  # (n_hits,) track of each hit, -1 = none


def walk(pipeline: Pipeline, event: Event) -> Iterator[Step]:
    """Do what `Pipeline.run` does, and yield what each stage leaves.

    The step "windows" stands before "graph" where the builder scores what its windows let pass;
    it costs time and memory that `run` does not need. Raises what `run` raises.
    """
    check_detector(event, pipeline.detector)
    cuts = pipeline.working_points
    with torch.inference_mode():
        hits = hits_from_event(event, pipeline.detector, pipeline.recipe.clusters)
        hits = hits.to(pipeline.device)
        if isinstance(pipeline.windows, ScoredWindows):
            unscored = WindowBuilder(pipeline.windows.windows, pipeline.detector)
            yield _edges("windows", unscored.build(hits))
        edges = pipeline.build_graph(hits)
        yield _edges("graph", edges)
        logits = score_candidates(pipeline.filter, hits, edges, pipeline.detector)
        kept = _above(logits, cuts.filter_cut)
        edges, logits = edges[:, kept], logits[kept]
        yield _edges("filter", edges)
        x, edge_attr = pipeline.graph_inputs(hits, edges, logits)
        logits = pipeline.gnn(x, edges, edge_attr).float()
        kept = _above(logits, cuts.gnn_cut)
        edges, scores = edges[:, kept], torch.sigmoid(logits[kept])
        yield _edges("gnn", edges)
        labels = pipeline.build_tracks(hits, edges, scores)
        yield Step("tracks", labels=labels.cpu().numpy())
        if pipeline.join is not None:
            labels = pipeline.join_parts(hits, labels)
            yield Step("join", labels=labels.cpu().numpy())


def _edges(name: str, edges: Tensor) -> Step:
    return Step(name, edges=edges.cpu().numpy())


def _above(logits: Tensor, cut: float) -> Tensor:
    return torch.sigmoid(logits.double()) >= cut
