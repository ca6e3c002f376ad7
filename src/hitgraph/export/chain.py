"""The stages that other tracking programs have too: a graph, classifiers, components."""

from dataclasses import dataclass
from typing import Any

from hitgraph.errors import SettingsError
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
from hitgraph.pipeline import Pipeline
from hitgraph.state import State
from hitgraph.tracks.components import ComponentsSettings
from hitgraph.tracks.stage import TrackStage

Classifier = FilterStage | NetworkStage


@dataclass(frozen=True)
class Chain:
    """Such a pipeline, by its stages and their names."""

    pipeline: Pipeline
    graph: tuple[str, RadiusStage | ModuleMapStage]
    classifiers: tuple[tuple[str, Classifier], ...]
    tracks: ComponentsSettings

    @property
    def cuts(self) -> list[float]:
        """On the sigmoid of each classifier; the last is the track builder's where it is higher."""
        *before, last = (stage.cut for _, stage in self.classifiers)
        return [*before, max(last, self.tracks.score_cut)]


def chain_of(pipeline: Pipeline, program: str) -> Chain:
    """The chain that a pipeline is. Raises SettingsError with a stage that is no part of one."""
    (first, graph), *rest = pipeline.stages.items()
    if not isinstance(graph, RadiusStage | ModuleMapStage):
        raise _not_there(first, pipeline, program)
    classifiers: list[tuple[str, Classifier]] = []
    tracks: ComponentsSettings | None = None
    for name, stage in rest:
        settings = stage.settings if isinstance(stage, TrackStage) else None
        if tracks is None and isinstance(stage, Classifier):
            classifiers.append((name, stage))
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
    return Chain(pipeline, (first, graph), tuple(classifiers), tracks)


def _not_there(stage: str, pipeline: Pipeline, program: str) -> SettingsError:
    return SettingsError(
        f"stage {stage} of the pipeline {pipeline.recipe.name}: {program} has no such stage there. "
        "It runs radius or module_map, then filter and network, then components, as in "
        "recipes/exported.yaml; docs/export.md says what to run instead"
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
    logits = Logits(layout, field, _judge(chain, number))
    columns = {"x": layout.names} | ({"edge_attr": edge_columns} if edge_columns else {})

    def inputs(state: State) -> dict[str, Any]:
        given = {"x": space_points(state, layout), "edge_index": state.graph()}
        if edge_columns:
            given["edge_attr"] = given["x"].new_zeros(state.n_edges, len(edge_columns))
        return given

    return Model(
        name,
        stage,
        (WithEdgeColumns(logits) if edge_columns else logits).eval(),
        inputs,
        classifier.logits,
        columns,
        "logits",
        chain.cuts[number],
    )


def space_points(state: State, layout: Layout) -> Any:
    """The columns of hits as the other program gives them."""
    return layout.of(hit_columns(state.hits.position))


def _judge(chain: Chain, number: int) -> Judge:
    """Raises SettingsError for columns that another program cannot give."""
    name, stage = chain.classifiers[number]
    columns = stage.network_columns()
    before = None
    if "logit" in columns["edge_attr"]:
        if number == 0 or not isinstance(chain.classifiers[number - 1][1], FilterStage):
            raise SettingsError(
                f"stages.{name}.edge_inputs: logit is that of a stage which scores edges together: "
                "only that of a filter just before can be worked out again"
            )
        before = _judge(chain, number - 1)
    return Judge(name, for_tracing(stage.network), columns["x"], columns["edge_attr"], before)
