"""A pipeline: what it finds and keeps, before it is saved and after, and which events it takes."""

import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.trained import NO_CLUSTERS, RADIUS, tiny_recipe, untrained

from hitgraph.errors import HitgraphError, InputError, SettingsError
from hitgraph.evaluation.judging import Judged
from hitgraph.event.event import CellTable, Event, HitTable, TruthTable
from hitgraph.event.field import solenoid
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe

STAGES = ["features", "graph", "filter", "gnn", "tracks"]


def tracks(labels: NDArray[np.int64], hit: NDArray[Any] | None = None) -> set[frozenset[int]]:
    """The partition of the hits into tracks, hits named by `hit` (their rows if not given)."""
    names = np.arange(len(labels)) if hit is None else hit
    return {frozenset(names[labels == label].tolist()) for label in np.unique(labels) if label >= 0}


def permuted(event: Event, seed: int) -> tuple[Event, NDArray[np.int64]]:
    """The event with its hits in another order; new row k was row order[k]."""
    assert event.cells is not None
    assert event.truth is not None
    order = np.random.default_rng(seed).permutation(event.n_hits)
    place = np.argsort(order)
    hit_id = np.arange(1, event.n_hits + 1)

    def take(table: HitTable | TruthTable) -> dict[str, Any]:
        columns = {name: column[order] for name, column in vars(table).items()}
        return columns | {"hit_id": hit_id}

    rows = place[np.searchsorted(event.hits.hit_id, event.cells.hit_id)]
    cells = {
        name: column[np.argsort(rows, kind="stable")] for name, column in vars(event.cells).items()
    }
    cells["hit_id"] = hit_id[np.sort(rows)]
    moved = replace(
        event,
        hits=HitTable(**take(event.hits)),
        cells=CellTable(**cells),
        truth=TruthTable(**take(event.truth)),
    )
    return moved, order


# ---------------------------------------------------------------- runs


def test_it_finds_tracks_and_tells_what_every_stage_did(tiny_pipeline: Path, unseen: Event) -> None:
    result = Judged(Pipeline.load(tiny_pipeline)).run(unseen)
    assert result.labels.shape == (unseen.n_hits,)
    assert result.labels.dtype == np.int64
    assert result.labels.min() == -1
    assert result.n_tracks == len(tracks(result.labels)) > 5
    assert [stage.name for stage in result.stages] == STAGES
    assert all(stage.seconds >= 0 for stage in result.stages)
    assert result.seconds == sum(stage.seconds for stage in result.stages)
    graph, filtered, scored = result.stages[1:4]
    assert graph.edges >= filtered.edges >= scored.edges > 0  # type: ignore[operator]
    assert graph.efficiency >= filtered.efficiency >= scored.efficiency > 0  # type: ignore[operator]
    assert filtered.scores is not None
    assert sum(filtered.scores["true"]) + sum(filtered.scores["fake"]) == graph.edges
    assert scored.scores is not None
    assert sum(scored.scores["true"]) + sum(scored.scores["fake"]) == filtered.edges
    assert result.edges.shape == (2, scored.edges)
    assert bool((result.scores >= 0).all() and (result.scores <= 1).all())


def test_without_truth_it_finds_the_same_and_judges_nothing(
    tiny_pipeline: Path, unseen: Event
) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    result = Judged(pipeline).run(replace(unseen, truth=None, particles=None, detector=None))
    np.testing.assert_array_equal(result.labels, pipeline.run(unseen).labels)
    for stage in result.stages:
        judged = (stage.efficiency, stage.target_efficiency, stage.purity, stage.scores)
        assert judged == (None,) * 4


@pytest.mark.parametrize(
    "recipe",
    [
        tiny_recipe(),
        tiny_recipe(graph=RADIUS, filter__network__inputs="hits"),
        tiny_recipe(**NO_CLUSTERS, tracks__use="components"),
    ],
    ids=["windows", "radius", "no-clusters"],
)
def test_saved_and_loaded_it_is_the_same(recipe: Recipe, unseen: Event, tmp_path: Path) -> None:
    pipeline = untrained(recipe, unseen)
    pipeline.save(tmp_path)
    again = Pipeline.load(tmp_path)
    assert again.recipe == recipe
    for name, stage in pipeline.stages.items():
        tensors = again.stages[name].tensors()
        assert tensors.keys() == stage.tensors().keys()
        assert all(torch.equal(tensors[key], value) for key, value in stage.tensors().items())
    one, other = pipeline.run(unseen), again.run(unseen)
    assert one.edges.shape[1] > 0
    assert torch.equal(one.edges, other.edges)
    assert torch.equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.labels, other.labels)


def test_it_needs_no_pickle(
    tiny_pipeline: Path, unseen: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("unpickles")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    assert Pipeline.load(tiny_pipeline).run(unseen).n_tracks > 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_the_hits_does_not_matter(
    tiny_pipeline: Path, unseen: Event, seed: int
) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    moved, order = permuted(unseen, seed)
    expected = tracks(pipeline.run(unseen).labels)
    assert len(expected) > 5
    assert tracks(pipeline.run(moved).labels, order) == expected


@pytest.mark.parametrize(("n_particles", "n_noise"), [(0, 1), (0, 2), (0, 30), (1, 0)], ids=str)
@pytest.mark.parametrize("graph", ["windows", "radius"])
def test_events_with_next_to_nothing_in_them_are_fine(
    make_event: Callable[..., Event],
    tiny_pipeline: Path,
    graph: str,
    n_particles: int,
    n_noise: int,
) -> None:
    event = make_event(n_particles=n_particles, n_noise=n_noise, seed=7)
    pipeline = Pipeline.load(tiny_pipeline)
    if graph == "radius":
        pipeline = untrained(tiny_recipe(graph=RADIUS), event)
    result = pipeline.run(event)
    assert result.labels.shape == (event.n_hits,)
    if event.n_hits < 3:
        assert result.labels.tolist() == [-1] * event.n_hits
        assert result.n_tracks == 0


def test_no_candidate_edges_at_all_give_no_tracks(tiny_pipeline: Path, unseen: Event) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    tensors = pipeline.stages["graph"].tensors()
    tensors["bounds"] = torch.zeros_like(tensors["bounds"])
    shut = pipeline.recipe.step("graph").settings.load(pipeline.context, tensors)
    result = replace(pipeline, stages={**pipeline.stages, "graph": shut}).run(unseen)
    assert [stage.edges for stage in result.stages] == [None, 0, 0, 0, None]
    assert result.n_tracks == 0
    assert set(result.labels.tolist()) == {-1}


def test_pipelines_with_cluster_shape_need_cells(tiny_pipeline: Path, unseen: Event) -> None:
    bare = replace(unseen, cells=None)
    with pytest.raises(InputError, match=f"{unseen.name}: no cell table"):
        Pipeline.load(tiny_pipeline).run(bare)
    recipe = tiny_recipe(**NO_CLUSTERS)
    assert untrained(recipe, unseen).run(bare).labels.shape == (unseen.n_hits,)


def test_a_hit_without_cells_is_fine(tiny_pipeline: Path, unseen: Event) -> None:
    assert unseen.cells is not None
    kept = unseen.cells.hit_id != unseen.hits.hit_id[3]
    cells = CellTable(**{name: column[kept] for name, column in vars(unseen.cells).items()})
    result = Pipeline.load(tiny_pipeline).run(replace(unseen, cells=cells))
    assert result.labels.shape == (unseen.n_hits,)


# ---------------------------------------------------------------- another detector


def other_detector(event: Event, **columns: Any) -> Event:
    assert event.detector is not None
    # without what the old table has cached
    own = {name: getattr(event.detector, name) for name in event.detector.__dataclass_fields__}
    return replace(event, detector=type(event.detector)(**(own | columns)))


def test_events_of_another_detector_are_refused(tiny_pipeline: Path, unseen: Event) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    detector = unseen.detector
    assert detector is not None
    half = {
        name: getattr(detector, name)[: detector.n_modules // 2]
        for name in detector.__dataclass_fields__
        if name not in ("field", "x0", "pipe")
    }
    with pytest.raises(InputError, match=rf"{unseen.name}: its detector has 294 modules.*on 588"):
        pipeline.run(other_detector(unseen, **half))

    renamed = detector.module_id.copy()
    renamed[-1] = 9999
    with pytest.raises(InputError, match=r"layer 8, module 9999, the pipeline's does not"):
        pipeline.run(other_detector(unseen, module_id=renamed))

    moved = detector.centre.copy()
    moved[17, 2] += 0.3
    with pytest.raises(InputError, match=r"lies 0\.3 mm from where .* --detectors"):
        pipeline.run(other_detector(unseen, centre=moved))


def test_events_in_another_field_are_warned_of_once(
    tiny_pipeline: Path, unseen: Event, caplog: pytest.LogCaptureFixture
) -> None:
    untold = Pipeline.load(tiny_pipeline)
    taught = untold.rebuilt(detector=replace(untold.detector, field=solenoid(0.71)))
    turned = replace(unseen, field=solenoid(-0.71))
    for pipeline, event in (
        (taught, replace(unseen, field=solenoid(0.71))),
        (taught, replace(unseen, field=None)),
        (untold, turned),
    ):
        pipeline.run(event)
    assert not caplog.records
    found = [taught.run(turned), taught.run(turned)]
    (said,) = caplog.messages
    assert "in the field solenoid:-0.71, but the pipeline was taught in solenoid:0.71" in said
    np.testing.assert_array_equal(found[0].labels, found[1].labels)


def test_the_same_detector_read_from_another_file_is_fine(
    tiny_pipeline: Path, unseen: Event
) -> None:
    """Files round coordinates."""
    assert unseen.detector is not None
    pipeline = Pipeline.load(tiny_pipeline)
    rounded = other_detector(unseen, centre=unseen.detector.centre.round(3))
    np.testing.assert_array_equal(pipeline.run(rounded).labels, pipeline.run(unseen).labels)


# ---------------------------------------------------------------- looking inside


def test_the_state_after_each_stage_can_be_kept(tiny_pipeline: Path, unseen: Event) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    result = pipeline.run(unseen, keep="all")
    assert list(result.kept) == STAGES
    assert result.kept["tracks"] is result.state
    edges = [result.kept[name].n_edges for name in STAGES]
    assert edges[:4] == [0, *(stage.edges for stage in result.stages[1:4])]
    assert list(pipeline.run(unseen, keep=["gnn", "graph"]).kept) == ["graph", "gnn"]
    assert pipeline.run(unseen).kept == {}
    with pytest.raises(SettingsError, match=r"keep: 'gcn' is no stage.*features, graph, filter"):
        pipeline.run(unseen, keep=["gcn"])


def test_a_state_becomes_a_graph_or_tables(tiny_pipeline: Path, unseen: Event) -> None:
    state = Pipeline.load(tiny_pipeline).run(unseen).state
    graph = state.to_networkx()
    assert graph.number_of_nodes() == unseen.n_hits
    assert state.edges is not None
    assert set(graph.edges) == set(map(tuple, state.edges.T.tolist()))
    i, j = state.edges[:, 0].tolist()
    assert graph.edges[i, j]["logit"] == float(state.edge["logit"][0])
    assert graph.nodes[i]["r"] == float(state.hits.column("r")[i])
    tables = state.to_arrow()
    assert set(tables) == {"hits", "edges", "tracks"}
    assert tables["hits"]["track"].to_pylist() == state.labels.tolist()  # type: ignore[union-attr]
    assert tables["edges"].column_names == ["inner", "outer", "logit"]
    assert tables["edges"].num_rows == state.n_edges
    assert tables["tracks"].num_rows == state.n_tracks > 5


def test_a_state_becomes_data_of_torch_geometric_where_that_is(
    tiny_pipeline: Path, unseen: Event
) -> None:
    state = Pipeline.load(tiny_pipeline).run(unseen).state
    if find_spec("torch_geometric") is None:
        with pytest.raises(HitgraphError, match="pip install torch_geometric"):
            state.to_pyg()
        return
    data = state.to_pyg()
    assert torch.equal(data.edge_index, state.edges)
    assert torch.equal(data.y, state.labels)


def test_what_is_printed_is_short(tiny_pipeline: Path, unseen: Event) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    result = pipeline.run(unseen)
    assert repr(pipeline) == "<Pipeline tiny: graph -> filter -> gnn -> tracks, on cpu>"
    assert re.fullmatch(r"<Result: \d+ tracks of \d+ hits in [\d.]+ s>", repr(result))
    assert re.fullmatch(
        r"<State: \d+ hits, \d+ edges, \d+ tracks; edge\.logit>", repr(result.state)
    )
    assert repr(unseen).startswith(f"<Event {unseen.name}: {unseen.n_hits} hits, cells, particles,")
    assert repr(result.hits) == f"<{unseen.n_hits} hits, 12 columns, on cpu>"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("graph", ["windows", "radius"])
def test_the_gpu_finds_the_same_tracks(unseen: Event, tmp_path: Path, graph: str) -> None:
    recipe = tiny_recipe(graph=RADIUS) if graph == "radius" else tiny_recipe()
    untrained(recipe, unseen).save(tmp_path)
    on_cpu, on_gpu = (Pipeline.load(tmp_path, device).run(unseen) for device in ("cpu", "cuda"))
    assert on_gpu.edges.device.type == "cuda"
    assert tracks(on_gpu.labels) == tracks(on_cpu.labels)
