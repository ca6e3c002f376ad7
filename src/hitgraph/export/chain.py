"""The stages that other tracking programs have too: a graph, classifiers, components."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.export.judges import TripletJudge, Unrivalled, without_rivals
from hitgraph.export.models import Model, for_tracing
from hitgraph.export.space_points import (
    Judge,
    Layout,
    Logits,
    Places,
    WithEdgeColumns,
    hit_columns,
)
from hitgraph.gnn.network import NetworkStage
from hitgraph.graph.filter.stage import FilterStage
from hitgraph.graph.module_map import ModuleMapStage
from hitgraph.graph.radius.stage import RadiusStage
from hitgraph.graph.triplets.stage import TripletStage
from hitgraph.pipeline import Pipeline
from hitgraph.state import State
from hitgraph.tracks.components import ComponentsSettings
from hitgraph.tracks.rivals import RivalSettings, RivalStage
from hitgraph.tracks.stage import TrackStage

Classifier = FilterStage | TripletStage | NetworkStage


@dataclass(frozen=True)
class Chain:
    """Such a pipeline, by its stages and their names."""

    pipeline: Pipeline
    graph: tuple[str, RadiusStage | ModuleMapStage]
    classifiers: tuple[tuple[str, Classifier], ...]
    tracks: ComponentsSettings
    rivals: RivalSettings | None = None  # just before the tracks

    @property
    def cuts(self) -> list[float]:
        """On the sigmoid of each classifier; the last is the track builder's where it is higher."""
        *before, last = (stage.cut for _, stage in self.classifiers)
        return [*before, max(last, self.tracks.score_cut)]

    @property
    def joined(self) -> float | None:
        """The score with which an edge joins hits, where rivals go: one that is left before it."""
        if self.rivals is None:
            return None
        return max(self.rivals.joined, self.classifiers[-1][1].cut)


def chain_of(pipeline: Pipeline, program: str) -> Chain:
    """The chain that a pipeline is. Raises SettingsError with a stage that is no part of one."""
    (first, graph), *rest = pipeline.stages.items()
    if not isinstance(graph, RadiusStage | ModuleMapStage):
        raise _not_there(first, pipeline, program)
    classifiers: list[tuple[str, Classifier]] = []
    rivals: RivalSettings | None = None
    tracks: ComponentsSettings | None = None
    for name, stage in rest:
        settings = stage.settings if isinstance(stage, TrackStage) else None
        before_tracks = tracks is None and rivals is None
        if before_tracks and isinstance(stage, Classifier):
            classifiers.append((name, stage))
        elif before_tracks and classifiers and isinstance(stage, RivalStage):
            rivals = stage.settings
        elif tracks is None and classifiers and isinstance(settings, ComponentsSettings):
            tracks = settings
        else:
            raise _not_there(name, pipeline, program)
    if tracks is None:
        raise SettingsError(f"pipeline {pipeline.recipe.name}: {program} ends with components")
    if tracks.junction_removal and isinstance(graph, RadiusStage):
        raise SettingsError(
            f"stage {name} of the pipeline {pipeline.recipe.name}: junction_removal is for a "
            f"module_map only, since the edges of an embedding have no direction in {program}: "
            "train with junction_removal: false"
        )
    return Chain(pipeline, (first, graph), tuple(classifiers), tracks, rivals)


def _not_there(stage: str, pipeline: Pipeline, program: str) -> SettingsError:
    return SettingsError(
        f"stage {stage} of the pipeline {pipeline.recipe.name}: {program} has no such stage there. "
        "It runs radius or module_map, then filter, triplets and network, then rivals and "
        "components, as in recipes/exported.yaml; docs/export.md says what to run instead"
    )


def places_model(chain: Chain, name: str, layout: Layout) -> Model:
    """The embedding of a chain that begins with one, on space points."""
    stage, graph = chain.graph
    assert isinstance(graph, RadiusStage)
    return Model(
        name,
        stage,
        Places(layout, for_tracing(graph.network)).eval(),
        lambda state: {"x": space_points(state, layout)},
        lambda state: graph.network(state.hits.take(graph.settings.hit_inputs)),
        {"x": layout.names},
        "places",
    )


def logits_model(
    chain: Chain, number: int, name: str, layout: Layout, edge_columns: tuple[str, ...] = ()
) -> Model:
    """A classifier of a chain on space points and edges, with as many columns of edges unused."""
    stage, classifier = chain.classifiers[number]
    field = chain.pipeline.detector.field
    joined = chain.joined if number == len(chain.classifiers) - 1 else None
    judge = _judge(chain, number)
    logits = Logits(layout, field, judge if joined is None else Unrivalled(judge, joined))
    columns = {"x": layout.names} | ({"edge_attr": edge_columns} if edge_columns else {})

    def inputs(state: State) -> dict[str, Any]:
        given = {"x": space_points(state, layout), "edge_index": state.graph()}
        if edge_columns:
            given["edge_attr"] = given["x"].new_zeros(state.n_edges, len(edge_columns))
        return given

    def expected(state: State) -> Tensor:
        found = classifier.logits(state)
        if joined is None:
            return found
        return without_rivals(state.graph(), found, len(state.hits), joined)

    return Model(
        name,
        stage,
        (WithEdgeColumns(logits) if edge_columns else logits).eval(),
        inputs,
        expected,
        columns,
        "logits",
        chain.cuts[number],
    )


def space_points(state: State, layout: Layout) -> Any:
    """The columns of hits as the other program gives them."""
    return layout.of(hit_columns(state.hits.position))


def _judge(chain: Chain, number: int) -> Judge | TripletJudge:
    """Raises SettingsError for columns that another program cannot give."""
    name, stage = chain.classifiers[number]
    if isinstance(stage, TripletStage):
        if stage.network.settings.same_layer:
            raise SettingsError(
                f"stages.{name}.network.same_layer: layers are not known there, where a hit is a "
                "position: train with same_layer: false"
            )
        return TripletJudge(for_tracing(stage.network), _filter_before(chain, number, name))
    columns = stage.network_columns()
    before = None
    if "logit" in columns["edge_attr"]:
        before = _filter_before(chain, number, f"{name}.edge_inputs")
    return Judge(name, for_tracing(stage.network), columns["x"], columns["edge_attr"], before)


def _filter_before(chain: Chain, number: int, who: str) -> Judge:
    """The filter just before a classifier that wants its logits."""
    before = chain.classifiers[number - 1][1] if number else None
    if not isinstance(before, FilterStage):
        raise SettingsError(
            f"stages.{who}: logit is that of a stage which scores edges together: "
            "only that of a filter just before can be worked out again"
        )
    judge = _judge(chain, number - 1)
    assert isinstance(judge, Judge)
    return judge
