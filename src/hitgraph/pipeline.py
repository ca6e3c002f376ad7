"""A trained pipeline: hits -> candidate edges -> filters -> graph network -> tracks."""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from math import inf, log
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hitgraph.devices import find_device, find_precision
from hitgraph.errors import InputError, SettingsError
from hitgraph.evaluation.edges import edge_truth
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.positions import check_positions
from hitgraph.gnn.inputs import edge_inputs, hit_inputs
from hitgraph.gnn.interaction import InteractionNetwork
from hitgraph.graph.embedding import EmbeddingNetwork, RadiusBuilder
from hitgraph.graph.filter import FilterNetwork, score_candidates
from hitgraph.graph.hits import Hits, hits_from_event
from hitgraph.graph.pairs import SHAPE_FEATURES, pair_features
from hitgraph.graph.scored import ScoredWindows
from hitgraph.graph.scored_builder import ScoredBuilder
from hitgraph.graph.triplets import TripletFilter, judge_edges
from hitgraph.graph.windows import LayerWindows, WindowBuilder
from hitgraph.recipe import RadiusStage, Recipe
from hitgraph.stage_log import Look, Stage, StageLog, Watch
from hitgraph.tracks import TRACK_BUILDERS
from hitgraph.tracks.join import JoinNetwork, join_tracks
from hitgraph.tracks.parts import part_pairs

_log = logging.getLogger(__name__)

CPU = torch.device("cpu")
CENTRE_TOLERANCE = 0.1  # mm, between an event's module table and the pipeline's


@dataclass(frozen=True)
class WorkingPoints:
    """Cuts set on validation events; the track builder's own cut stands in its settings."""

    filter_cut: float  # edges with a filter score (0 to 1) below it go
    gnn_cut: float  # edges with a network score (0 to 1) below it go
    triplet_cut: float = 0.0  # edges with a score of the triplet filter (0 to 1) below it go
    radius: float | None = None  # of the graph builder "radius", in the learnt space

    def __post_init__(self) -> None:
        for key in ("filter_cut", "gnn_cut", "triplet_cut"):
            if not 0 <= getattr(self, key) <= 1:
                raise SettingsError(f"{key}: {getattr(self, key)} is not in [0, 1]")
        if self.radius is not None and self.radius < 0:
            raise SettingsError(f"radius: {self.radius} is not allowed, at least 0")


@dataclass(frozen=True, eq=False)
class Result:
    """Tracks of one event, and the scored edges they were built from."""

    labels: NDArray[np.int64]  # (n_hits,) track of each hit, -1 = none
    stages: tuple[Stage, ...]
    hits: Hits
    edges: Tensor  # (2, n_edges) int64, those that passed the network's cut
    scores: Tensor  # (n_edges,) float32, 0 to 1

    @property
    def n_tracks(self) -> int:
        return int(self.labels.max(initial=-1)) + 1

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Networks, learnt tables and cuts, ready to run on one device."""

    recipe: Recipe
    detector: Detector
    working_points: WorkingPoints
    gnn: InteractionNetwork
    filter: FilterNetwork | None = None  # where the recipe has one
    triplets: TripletFilter | None = None  # where the recipe has one
    windows: LayerWindows | ScoredWindows | None = None  # of the builders "windows", "scored"
    embedding: EmbeddingNetwork | None = None  # of the graph builder "radius"
    join: JoinNetwork | None = None  # where the recipe joins parts of tracks
    device: torch.device = CPU
    precision: torch.dtype = torch.float32  # of the products in the networks behind the graph

    @staticmethod
    def load(name: str | Path, device: str = "cpu", precision: str = "auto") -> "Pipeline":
        """Read a shipped pipeline by name, or a pipeline folder.

        `precision` is one of hitgraph.devices.PRECISIONS: that of the networks on a GPU; geometry,
        sums and logits always have 32 bits. Raises InputError when the pipeline is missing or
        damaged, SettingsError for a device that is not there or cannot compute so.
        """
        from hitgraph.pipeline_files import find_pipeline, load_pipeline  # which makes pipelines

        place = find_device(device)
        return load_pipeline(find_pipeline(name), place, find_precision(precision, place))

    def save(self, folder: str | Path) -> None:
        """Write pipeline.yaml, weights, detector and learnt tables into `folder`."""
        from hitgraph.pipeline_files import save_pipeline

        save_pipeline(self, Path(folder))

    def run(self, event: Event, watch: Watch = nullcontext, look: Look = lambda *_: None) -> Result:
        """Find the tracks of one event; stages are judged where the event has truth.

        `watch` stands around the work of each stage, without its judging: to measure more of it.
        `look` sees what is left after it: edges (2, n_edges), in the end labels (n_hits,).
        Raises InputError when the event has no cells although the pipeline needs them, or was
        not taken with the pipeline's detector.
        """
        check_detector(event, self.detector)
        warn_of_other_field(event, self.detector)
        truth = None if event.truth is None or event.particles is None else edge_truth(event)
        log = StageLog(truth, self.device, watch, look)
        with torch.inference_mode():
            with log.stage("features"):
                hits = hits_from_event(event, self.detector, self.recipe.clusters, self.device)
            with log.stage("graph") as done:
                edges, logits = self.build_graph(hits)
                done(edges)
            if self.filter is not None:
                with log.stage("filter") as done:
                    scored, given = edges, self.filter_logits(hits, edges)
                    kept = _at_least(given, self.working_points.filter_cut)
                    edges, logits = edges[:, kept], given[kept]
                    done(edges, scored, given)
            assert logits is not None
            support = None
            if self.triplets is not None:
                with log.stage("triplets") as done:
                    scored = edges
                    given, support = self.triplet_logits(hits, edges, logits)
                    kept = _at_least(given, self.working_points.triplet_cut)
                    edges, logits, support = edges[:, kept], given[kept], support[kept]
                    done(edges, scored, given)
            with log.stage("gnn") as done:
                x, edge_attr = self.graph_inputs(hits, edges, logits, support)
                scored, logits = edges, self.gnn_logits(x, edges, edge_attr)
                kept = _at_least(logits, self.working_points.gnn_cut)
                edges, scores = edges[:, kept], torch.sigmoid(logits[kept])
                done(edges, scored, logits)
            with log.stage("tracks") as done:
                labels = self.build_tracks(hits, edges, scores)
                done(labels)
            if self.join is not None:
                with log.stage("join") as done:
                    labels = self.join_parts(hits, labels)
                    done(labels)
        return Result(labels.cpu().numpy(), tuple(log.stages), hits, edges, scores)

    def build_graph(self, hits: Hits) -> tuple[Tensor, Tensor | None]:
        """Candidate edges (2, n_edges) int64 of an event, inner to outer, and their logits.

        Only the builder "scored" has logits (n_edges,).
        """
        if isinstance(self.builder, ScoredBuilder):
            return self.builder.search(hits)
        return self.builder.build(hits), None

    def filter_logits(self, hits: Hits, edges: Tensor) -> Tensor:
        """Logits (n_edges,) of candidate edges, each judged by itself."""
        assert self.filter is not None
        with self.mixed_precision():
            return score_candidates(self.filter, hits, edges, self.detector)

    def triplet_logits(self, hits: Hits, edges: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Edges with logits (n_edges,) judged by those that continue them, and their support."""
        assert self.triplets is not None
        with self.mixed_precision():
            return judge_edges(self.triplets, hits, edges, logits)

    def graph_inputs(
        self, hits: Hits, edges: Tensor, logits: Tensor, support: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the graph network sees of hits and edges with logits and triplet support."""
        settings = self.recipe.gnn
        shape = not set(settings.edge_inputs).isdisjoint(SHAPE_FEATURES)
        pairs = pair_features(hits, edges, self.detector, shape=shape)
        x = hit_inputs(hits, settings.hit_inputs)
        return x, edge_inputs(pairs, logits, support, settings.edge_inputs)

    def gnn_logits(self, x: Tensor, edges: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits (n_edges,) of edges, from what `graph_inputs` gives."""
        with self.mixed_precision():
            logits: Tensor = self.gnn(x, edges, edge_attr)
        return logits.float()

    def build_tracks(self, hits: Hits, edges: Tensor, scores: Tensor) -> Tensor:
        """Labels (n_hits,) from edges (2, n_edges) and their scores (n_edges,) in (0, 1)."""
        settings = self.recipe.tracks
        build = dict(TRACK_BUILDERS.values())[type(settings)]
        labels: Tensor = build(hits, edges, scores, settings)
        return labels

    def join_parts(self, hits: Hits, labels: Tensor) -> Tensor:
        """Labels (n_hits,) with tracks joined that the join network holds for one particle's."""
        assert self.join is not None
        assert self.recipe.join is not None
        settings = self.recipe.join.network
        pairs = part_pairs(hits, labels, settings.max_hits)
        with self.mixed_precision():
            scores = torch.sigmoid(self.join(pairs.features))
        return join_tracks(hits, labels, pairs, scores, settings)

    @cached_property
    def builder(self) -> ScoredBuilder | WindowBuilder | RadiusBuilder:
        """The graph builder that the recipe asks for; it keeps its tables on the device."""
        stage = self.recipe.graph
        if isinstance(stage, RadiusStage):
            assert self.embedding is not None
            assert self.working_points.radius is not None
            return RadiusBuilder(self.embedding, self.working_points.radius, stage.max_neighbours)
        assert self.windows is not None
        if isinstance(self.windows, ScoredWindows):
            return ScoredBuilder(self.windows, self.detector)
        return WindowBuilder(self.windows, self.detector)

    def mixed_precision(self) -> AbstractContextManager[object]:
        """Inside it networks compute in the pipeline's precision."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.precision)


def new_networks(recipe: Recipe) -> dict[str, nn.Module]:
    """Untrained networks of a recipe by stage name."""
    n_features = len(recipe.hit_features)
    networks: dict[str, nn.Module] = {
        "gnn": InteractionNetwork(
            recipe.gnn.network, len(recipe.gnn.hit_inputs), len(recipe.gnn.edge_inputs)
        ),
    }
    if recipe.filter is not None:
        networks["filter"] = FilterNetwork(
            recipe.filter.network, n_features, len(recipe.pair_features)
        )
    if recipe.triplets is not None:
        networks["triplets"] = TripletFilter(recipe.triplets.network)
    if isinstance(recipe.graph, RadiusStage):
        networks["embedding"] = EmbeddingNetwork(recipe.graph.network, n_features)
    if recipe.join is not None:
        networks["join"] = JoinNetwork(recipe.join.network)
    return networks


def check_detector(event: Event, detector: Detector) -> None:
    """Raise InputError where the event's own module table is not that of `detector`.

    An event without a table has its hits held against `detector`.
    """
    own = event.detector
    if own is None:
        check_positions(event, event.name, detector)
        return
    if own is detector:
        return
    if own.n_modules != detector.n_modules or not np.array_equal(
        own.layer_keys, detector.layer_keys
    ):
        raise InputError(
            f"{event.name}: its detector has {own.n_modules} modules on {own.n_layers} layers, the "
            f"pipeline was trained on {detector.n_modules} modules on {detector.n_layers} layers: "
            "use a pipeline trained on this detector"
        )
    rows = detector.find_modules(own.volume_id, own.layer_id, own.module_id)
    if (rows < 0).any():
        row = int(np.argmax(rows < 0))
        raise InputError(
            f"{event.name}: its detector has volume {own.volume_id[row]}, layer "
            f"{own.layer_id[row]}, module {own.module_id[row]}, the pipeline's does not: "
            "use a pipeline trained on this detector"
        )
    shift = np.abs(own.centre - detector.centre[rows]).max()
    if shift > CENTRE_TOLERANCE:
        raise InputError(
            f"{event.name}: a module of its detector lies {shift:.3g} mm from where the "
            f"pipeline's detector has it (at most {CENTRE_TOLERANCE} mm): give the right table "
            "with --detectors"
        )


def warn_of_other_field(event: Event, detector: Detector) -> None:
    """Log a warning where the event says that it has another field than that of `detector`.

    One for each pair of fields in a process. Tracks are found all the same.
    """
    own, taught = event.field, detector.field
    if own is not None and taught is not None and own != taught:
        _warn_of_other_field(own.name, taught.name)


@cache
def _warn_of_other_field(own: str, taught: str) -> None:
    _log.warning(
        "events in the field %s, but the pipeline was taught in %s: expect fewer and worse tracks",
        own,
        taught,
    )


def _at_least(logits: Tensor, score: float) -> Tensor:
    """(n_kept,) rows whose score, from 0 to 1, is not below the given one."""
    return torch.nonzero(logits >= logit(score)).squeeze(1)


def logit(score: float) -> float:
    """Of a score from 0 to 1."""
    if score in (0, 1):
        return inf if score else -inf
    return log(score / (1 - score))
