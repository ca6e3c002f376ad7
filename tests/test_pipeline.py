"""A saved pipeline: the same tracks after loading, one clear error for what does not fit."""

import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tests.trained import NO_CLUSTERS, RADIUS, tiny_recipe, untrained
from torch import Tensor

import hitgraph
from hitgraph.devices import find_device
from hitgraph.errors import HitgraphError, InputError, SettingsError
from hitgraph.evaluation.judging import Judged
from hitgraph.event.event import CellTable, Event, HitTable, TruthTable
from hitgraph.event.field import solenoid
from hitgraph.event.source import list_events
from hitgraph.hits.columns import FEATURES, HIT_COLUMNS, HitColumn
from hitgraph.pipeline import Pipeline
from hitgraph.pipeline_files import find_pipeline, shipped_pipelines
from hitgraph.recipe import FROM_EVENT, Recipe

STAGES = ["features", "graph", "filter", "gnn", "tracks"]


@pytest.fixture
def folder(tiny_pipeline: Path, tmp_path: Path) -> Path:
    """A copy of the trained pipeline, to be damaged."""
    for path in tiny_pipeline.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path / path.name)
    return tmp_path


@pytest.fixture
def unseen(tiny_store: Path) -> Event:
    """An event like those of the training, which took no part in it."""
    return list_events([tiny_store])[-1].read()


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
        if name not in ("field", "x0")
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


# ---------------------------------------------------------------- damaged folders


def edit(folder: Path, **changes: Any) -> None:
    """gnn__network__steps=0 is network.steps of the stage gnn; None leaves the key out."""
    path = folder / "pipeline.yaml"
    content = yaml.safe_load(path.read_text())
    for dotted, value in changes.items():
        first, *keys = dotted.split("__")
        place: Any = content
        if keys:
            place = stage_of(content, first)
            *keys, last = keys
            for key in keys:
                place = place[key]
        else:
            last = first
        if value is None:
            del place[last]
        else:
            place[last] = value
    path.write_text(yaml.safe_dump(content))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """The lowest bit of the last byte, of some number."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change(folder: Path, key: str, new: Callable[[Tensor], Tensor] | None = None) -> None:
    """Another tensor of that name, or none."""
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    old = tensors.pop(key, torch.zeros(3))
    save_file(tensors if new is None else {**tensors, key: new(old).contiguous()}, path)


def stage_of(content: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in content["recipe"]["stages"] if s["name"] == name)
    return found


NAN = float("nan")
TENSORS = "weights.safetensors: "
DAMAGES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("format", lambda f: edit(f, format=99), r"pipeline.yaml: format is 99, this version reads 2"),
    ("no format", lambda f: edit(f, format=None), r"pipeline.yaml: format is None"),
    ("yaml", lambda f: (f / "pipeline.yaml").write_text("a: ["), r"pipeline.yaml: is not YAML"),
    ("empty", lambda f: (f / "pipeline.yaml").write_text(""), r"pipeline.yaml: expected keys"),
    ("no recipe", lambda f: edit(f, recipe=None), r"pipeline.yaml: recipe: expected keys"),
    (
        "setting",
        lambda f: edit(f, gnn__network__steps=0),
        r"pipeline.yaml: recipe.stages.gnn.network.steps: 0 is not allowed",
    ),
    (
        "unknown key",
        lambda f: edit(f, gnn__depth=3),
        r"pipeline.yaml: recipe.stages.gnn.depth: unknown key",
    ),
    (
        "a path to import",
        lambda f: edit(f, gnn__use="os:system"),
        r"recipe.stages.gnn.use: 'os:system' is not allowed; one of windows",
    ),
    (
        "another path to import",
        lambda f: edit(f, gnn__network__use="hitgraph.gnn.interaction:InteractionSettings"),
        r"recipe.stages.gnn.network.use: 'hitgraph.gnn.*' is not allowed; one of interaction",
    ),
    (
        "a column that is not known",
        lambda f: edit(f, filter__pair_inputs=["curvature", "z1"]),
        r"recipe.stages.filter.pair_inputs: 'z1' is not allowed",
    ),
    (
        "a column less",
        lambda f: edit(f, filter__pair_inputs=["curvature", "z0"]),
        TENSORS + r"filter.network.standardise_pairs.mean: is .* shape \(25,\), expected .* \(2\)",
    ),
    (
        "a size beyond all measure",
        lambda f: edit(f, filter__network__layers=10**8),
        r"pipeline.yaml: recipe.stages.filter.network.layers: 100000000 is not allowed, at most "
        r"16384: .*HITGRAPH_MAX_SIZE",
    ),
    ("cut", lambda f: change(f, "gnn.cut", lambda t: t * 0 + 1.5), "gnn.cut: holds 1.5, at most 1"),
    ("no cut", lambda f: change(f, "filter.cut"), TENSORS + r"filter.cut: is missing"),
    (
        "cut type",
        lambda f: change(f, "filter.cut", lambda t: t.float()),
        "filter.cut: is .*float32",
    ),
    (
        "stranger",
        lambda f: change(f, "filter.bias", lambda t: t),
        r"filter.bias: unknown tensor; known: cut, network",
    ),
    (
        "nobody's",
        lambda f: change(f, "join.cut", lambda t: t),
        r"join.cut: belongs to no stage of the recipe \(graph, filter, gnn, tracks\)",
    ),
    (
        "a name without end",
        lambda f: change(f, "gnn." + "x" * 10**5, lambda t: t),
        r"gnn.x{190,200}: unknown tensor",
    ),
    ("many missing", lambda f: change(f, "gnn.network.classify.0.bias"), r"\d+ more$"),
    (
        "number beyond 32 bits",
        lambda f: edit(f, tracks__max_hits=2**63),
        r"recipe.stages.tracks.max_hits: 9223372036854775808 is not allowed",
    ),
    (
        "flipped bit",
        lambda f: flip(f / "weights.safetensors"),
        TENSORS + r"is damaged: its check sum is",
    ),
    (
        "weight",
        lambda f: change(f, "gnn.network.classify.0.weight", lambda t: t * NAN),
        r"gnn.network.classify.0.weight: 64 of its 64 numbers are infinite or NaN",
    ),
    (
        "scale",
        lambda f: change(f, "gnn.network.standardise_edges.std", lambda t: t * 0),
        r"gnn.network.standardise_edges.std: holds 0, at least",
    ),
    (
        "windows upside down",
        lambda f: change(f, "graph.bounds", lambda t: t.flip(-1)),
        r"graph.bounds: the window of sin_dphi in row 0 begins at .* and ends at",
    ),
    ("windows", lambda f: change(f, "graph.bounds", lambda t: t / 0), r"graph.bounds: .* or NaN"),
    ("no windows", lambda f: change(f, "graph.bounds"), r"graph.bounds: is missing"),
    (
        "windows of another detector",
        lambda f: change(f, "graph.inner", lambda t: t + 1),
        TENSORS + r"graph.inner: row 0 is volume 9, layer \d+, which is not in the detectors table",
    ),
    ("weights", lambda f: (f / "weights.safetensors").unlink(), TENSORS + "cannot be"),
    ("half", lambda f: cut_short(f / "weights.safetensors"), TENSORS + "cannot be"),
    (
        "other sizes",
        lambda f: edit(f, filter__network__hidden=9),
        TENSORS + r"filter.network.pair.weight: is .*\(8, 25\), expected .*\(9, 25\)",
    ),
    ("detectors", lambda f: (f / "detectors.parquet").unlink(), r"detectors.parquet"),
    ("half detectors", lambda f: cut_short(f / "detectors.parquet"), r"detectors.parquet"),
]


@pytest.mark.parametrize(
    ("damage", "message"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES]
)
def test_a_damaged_folder_is_one_clear_error(
    folder: Path, damage: Callable[[Path], Any], message: str
) -> None:
    Pipeline.load(folder)
    damage(folder)
    with pytest.raises(InputError, match=r"(?s)" + message):
        Pipeline.load(folder)


def test_the_limit_of_sizes_can_be_raised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITGRAPH_MAX_SIZE", "7")
    key = r"pipeline.yaml: recipe.stages.filter.network.hidden"
    with pytest.raises(InputError, match=rf"{key}: 8 is not allowed, at most 7: raise it with"):
        Pipeline.load(folder)
    monkeypatch.setenv("HITGRAPH_MAX_SIZE", "many")
    with pytest.raises(HitgraphError, match=r"^environment variable HITGRAPH_MAX_SIZE: 'many' is"):
        Pipeline.load(folder)
    monkeypatch.setenv("HITGRAPH_MAX_SIZE", "8")
    Pipeline.load(folder)


def test_a_column_added_to_the_code_leaves_saved_pipelines_as_they_are(
    folder: Path, unseen: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name the columns they use."""
    before = Pipeline.load(folder).run(unseen)
    added = HitColumn("depth", "mm", derive=lambda hits: hits.position[:, 2] * 0)
    monkeypatch.setitem(HIT_COLUMNS, "depth", added)
    monkeypatch.setattr("hitgraph.recipe.FROM_EVENT", FROM_EVENT | {"hit.depth"})
    after = Pipeline.load(folder).run(unseen)
    np.testing.assert_array_equal(after.labels, before.labels)
    recipe = tiny_recipe(gnn__hit_inputs=["r", "depth"], filter__pair_inputs=["curvature"])
    result = untrained(recipe, unseen).run(unseen)
    assert result.hits.columns == (*FEATURES, "depth")


def test_a_pipeline_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    for name in ("nonesuch", tmp_path):
        with pytest.raises(InputError, match=f"{name}: no such pipeline; shipped ones"):
            find_pipeline(name)


def test_shipped_pipelines_load() -> None:
    for name in shipped_pipelines():
        pipeline = Pipeline.load(name)
        assert pipeline.recipe.name
        assert (find_pipeline(name) / "CARD.md").is_file()


def test_the_package_offers_the_pipeline_by_name() -> None:
    assert hitgraph.Pipeline is Pipeline


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


# ---------------------------------------------------------------- devices


def test_devices_that_are_there() -> None:
    assert find_device("cpu").type == "cpu"
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu", "gpu", "", "cuda:x", "mps", "meta"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"device: '{name}' is not allowed; one of auto, cpu"):
        find_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_that_is_not_there_is_refused(
    name: str, tiny_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    message = rf"device: {name} is not there \(0 CUDA devices found\): use --device cpu"
    with pytest.raises(SettingsError, match=message):
        Pipeline.load(tiny_pipeline, name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("graph", ["windows", "radius"])
def test_the_gpu_finds_the_same_tracks(unseen: Event, tmp_path: Path, graph: str) -> None:
    recipe = tiny_recipe(graph=RADIUS) if graph == "radius" else tiny_recipe()
    untrained(recipe, unseen).save(tmp_path)
    on_cpu, on_gpu = (Pipeline.load(tmp_path, device).run(unseen) for device in ("cpu", "cuda"))
    assert on_gpu.edges.device.type == "cuda"
    assert tracks(on_gpu.labels) == tracks(on_cpu.labels)
