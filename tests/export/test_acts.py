"""An exported chain, called as ACTS calls it, gives the edges and tracks of its pipeline."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.export.acts_plugin import (
    Stage,
    candidates,
    classify,
    configured,
    metric_learning,
    node_features,
)
from tests.export.chains import WITH_TRIPLETS, chain, in_a_solenoid
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.acts_modules import geometry_ids
from hitgraph.event.event import Event
from hitgraph.export.acts import MAP, SCRIPT, models, script
from hitgraph.export.chain import chain_of
from hitgraph.export.run import export_pipeline
from hitgraph.export.space_points import outward
from hitgraph.pipeline import Pipeline, Result

pytest.importorskip("onnxruntime", reason="the extra export is not installed")
suffixes = pytest.mark.parametrize("suffix", [".pt", ".onnx"])


@pytest.fixture(scope="module")
def event(make_event: Callable[..., Event]) -> Event:
    return in_a_solenoid(make_event(n_particles=25, n_noise=15, seed=4))


@pytest.fixture(scope="module")
def radius_chain(event: Event) -> Pipeline:
    return chain(event, "radius")


@pytest.fixture(scope="module")
def exported(
    radius_chain: Pipeline, event: Event, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("acts") / "out"
    checks = export_pipeline(radius_chain, "acts", out, [event])
    assert {check.file for check in checks} == {
        *("graph.pt", "graph.onnx"),
        *("filter.pt", "filter.onnx", "gnn.pt", "gnn.onnx"),
    }
    assert max(check.largest for check in checks) < 1e-3
    return out


def sorted_by_module(event: Event) -> Tensor:
    """Rows of the hits in the order of their geometry identifiers, as ACTS has space points."""
    assert event.detector is not None
    hits = event.hits
    rows = event.detector.find_modules(hits.volume_id, hits.layer_id, hits.module_id)
    ids = geometry_ids(event.detector)[rows]
    return torch.from_numpy(ids.astype("int64")).argsort(stable=True)


def positions(event: Event) -> Tensor:
    hits = event.hits
    return torch.from_numpy(np.stack([hits.x, hits.y, hits.z], axis=1)).float()


def in_acts(algorithm: Stage, event: Event, edges: Callable[[Tensor, Tensor], Tensor]) -> object:
    """Edges, outward between rows of the event, and tracks that the plugin finds."""
    order = sorted_by_module(event)
    position = positions(event)
    features = node_features(algorithm, position[order].numpy())
    rows, found, scores = classify(algorithm, features, edges(features, order))
    tracks = candidates(algorithm, rows, found, scores)
    kept = order[rows[found]]
    return (
        {tuple(pair) for pair in outward(position, kept).T.tolist()},
        {frozenset(order[list(track)].tolist()) for track in tracks},
    )


def ours(result: Result) -> object:
    tracks: dict[int, set[int]] = {}
    for hit, label in enumerate(result.labels.tolist()):
        if label >= 0:
            tracks.setdefault(label, set()).add(hit)
    edges = {tuple(pair) for pair in result.edges.T.tolist()}
    return edges, {frozenset(hits) for hits in tracks.values()}


@suffixes
def test_metric_learning(suffix: str, exported: Path, radius_chain: Pipeline, event: Event) -> None:
    """But for pairs of hits on one module, which ACTS joins and hitgraph does not."""
    algorithm = configured(exported / SCRIPT, suffix)
    assert algorithm.trackBuilder.kind == "BoostTrackBuilding"
    module = radius_chain.start(event).hits.module

    def constructor(features: Tensor, order: Tensor) -> Tensor:
        edges = metric_learning(algorithm.graphConstructor, features)
        ends = module[order[edges]]
        return edges[:, ends[0] != ends[1]]

    expected = radius_chain.run(event)
    assert expected.n_tracks > 1
    assert in_acts(algorithm, event, constructor) == ours(expected)


@pytest.fixture(scope="module")
def map_chain(event: Event) -> Pipeline:
    return chain(event, "module_map")


@pytest.fixture(scope="module")
def exported_map(
    map_chain: Pipeline, event: Event, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    pytest.importorskip("uproot", reason="the extra root is not installed")
    out = tmp_path_factory.mktemp("map") / "out"
    export_pipeline(map_chain, "acts", out, [event])
    return out


@suffixes
def test_module_map(suffix: str, exported_map: Path, map_chain: Pipeline, event: Event) -> None:
    """Given the edges of the map in any direction (tests/graph/test_module_map_root.py)."""
    assert (exported_map / f"{MAP}.doublets.root").is_file()
    algorithm = configured(exported_map / SCRIPT, suffix)
    constructor = algorithm.graphConstructor
    assert constructor.moduleMapPath == str(exported_map.resolve() / MAP)
    scales = (constructor.rScale, constructor.phiScale, constructor.zScale, constructor.etaScale)
    assert algorithm.nodeFeatures[:4] == ["R", "Phi", "Z", "Eta"]
    assert scales == tuple(algorithm.featureScales[:4])

    result = map_chain.run(event, keep=["graph"])
    found = result.kept["graph"].graph()
    random = torch.Generator().manual_seed(0)
    turned = torch.rand(found.shape[1], generator=random) < 0.5
    found = torch.where(turned, found.flip(0), found)

    def built(_: Tensor, order: Tensor) -> Tensor:
        return order.argsort()[found]

    assert result.n_tracks > 1
    assert in_acts(algorithm, event, built) == ours(result)


@suffixes
def test_junctions_of_a_module_map_are_removed(
    suffix: str, map_chain: Pipeline, event: Event, tmp_path: Path
) -> None:
    """Given the edges of the map as it has them, outward."""
    pytest.importorskip("uproot", reason="the extra root is not installed")
    stage = map_chain.stages["tracks"]
    settings = replace(stage.settings, junction_removal=True)  # type: ignore[attr-defined]
    stages = {**map_chain.stages, "tracks": replace(stage, settings=settings)}  # type: ignore[type-var]
    pipeline = replace(map_chain, stages=stages)
    export_pipeline(pipeline, "acts", tmp_path / "out", [event])
    algorithm = configured(tmp_path / "out" / SCRIPT, suffix)
    assert algorithm.trackBuilder.doJunctionRemoval is True
    result = pipeline.run(event, keep=["graph"])
    found = result.kept["graph"].graph()
    expected = ours(result)
    assert in_acts(algorithm, event, lambda _, order: order.argsort()[found]) == expected
    assert expected != ours(map_chain.run(event))


def test_triplets_and_rivals_are_in_the_last_model(event: Event, tmp_path: Path) -> None:
    """Cut at half of the scores of both classifiers, with pairs of hits as tracks."""
    pytest.importorskip("uproot", reason="the extra root is not installed")
    pairs = {"use": "components", "min_hits": 2, "score_cut": 0.0}
    pipeline = chain(event, "module_map", **WITH_TRIPLETS, gnn=None, tracks=pairs)
    export_pipeline(pipeline, "acts", tmp_path / "out", [event])
    result = pipeline.run(event, keep=["graph", "triplets"])
    found, judged = (result.kept[name].graph() for name in ("graph", "triplets"))
    assert 1 < result.edges.shape[1] < judged.shape[1]
    for suffix in (".pt", ".onnx"):
        algorithm = configured(tmp_path / "out" / SCRIPT, suffix)
        edges_and_tracks = in_acts(algorithm, event, lambda _, order: order.argsort()[found])
        assert edges_and_tracks == ours(result)


def test_a_name_is_no_code(radius_chain: Pipeline) -> None:
    name = '"""\nimport nothing  # '
    renamed = replace(radius_chain, recipe=replace(radius_chain.recipe, name=name))
    text = script(chain_of(renamed, "ACTS"))
    assert f"PIPELINE = {name!r}\n" in text
    assert [line for line in text.splitlines() if line.startswith("import nothing")] == []


def test_edges_are_turned_by_the_distance_of_their_hits() -> None:
    position = torch.tensor([[30.0, 0, 0], [0, 29.0, 100], [30.0, 0, 0], [0, 0, -40.0]])
    edges = torch.tensor([[0, 1, 1, 0, 2, 3], [1, 0, 3, 2, 0, 0]])
    assert outward(position, edges).T.tolist() == [
        [0, 1],
        [0, 1],
        [3, 1],
        [0, 2],
        [0, 2],
        [0, 3],
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tracks": {"use": "components", "junction_removal": True}},
            "stage tracks of the pipeline tiny: junction_removal is for a module_map only",
        ),
        ({"tracks": {"use": "merge"}}, "stage tracks of the pipeline tiny: ACTS has no such stage"),
        (
            {"graph": {"use": "windows", "pair_coverage": 1.0}},
            r"stage graph of the pipeline tiny: .* docs/export.md says what to run instead",
        ),
        (
            {"filter__pair_inputs": ["same_layer"]},
            r"stages.filter.pair_inputs: 'same_layer' is not known there",
        ),
        (
            {**WITH_TRIPLETS, "triplets__network": {}},
            "stages.triplets.network.same_layer: layers are not known there",
        ),
        (
            {**WITH_TRIPLETS, "gnn__edge_inputs": ["logit"]},
            "stages.gnn.edge_inputs: logit is that of a stage which scores edges together",
        ),
        (
            {"gnn__hit_inputs": ["r", "lx"]},
            r"stages.gnn.hit_inputs: 'lx' is not known there, .* train with any of x, y, z",
        ),
    ],
)
def test_what_acts_cannot_run_is_refused(
    changes: dict[str, object], message: str, event: Event
) -> None:
    with pytest.raises(SettingsError, match=message):
        models(chain(event, "radius", **changes))
