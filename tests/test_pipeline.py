"""A saved pipeline: the same tracks after loading, one clear error for what does not fit."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tests.trained import RADIUS, tiny_recipe

import hitgraph
from hitgraph.devices import find_device
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.event import CellTable, Event, HitTable, TruthTable
from hitgraph.event.field import solenoid
from hitgraph.event.source import list_events
from hitgraph.event.truth import true_edges
from hitgraph.graph.hits import hits_from_event
from hitgraph.graph.windows import learn_windows
from hitgraph.pipeline import Pipeline, WorkingPoints, new_networks
from hitgraph.pipeline_files import find_pipeline, shipped_pipelines
from hitgraph.recipe import Recipe

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


def untrained(recipe: Recipe, event: Event) -> Pipeline:
    """A pipeline with random weights that keeps most edges; windows learnt on one event."""
    assert event.detector is not None
    torch.manual_seed(recipe.seed)
    networks = new_networks(recipe)
    windows = None
    if "embedding" not in networks:
        hits = hits_from_event(event, event.detector, recipe.clusters)
        edges = torch.from_numpy(true_edges(event))
        windows = learn_windows([(hits, edges)], event.detector, recipe.graph)  # type: ignore[arg-type]
    return Pipeline(
        recipe=recipe,
        detector=event.detector,
        working_points=WorkingPoints(0.1, 0.2, radius=0.5 if "embedding" in networks else None),
        windows=windows,
        **networks,  # type: ignore[arg-type]
    )


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
    result = Pipeline.load(tiny_pipeline).run(unseen)
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
    result = pipeline.run(replace(unseen, truth=None, particles=None, detector=None))
    np.testing.assert_array_equal(result.labels, pipeline.run(unseen).labels)
    for stage in result.stages:
        judged = (stage.efficiency, stage.target_efficiency, stage.purity, stage.scores)
        assert judged == (None,) * 4


@pytest.mark.parametrize(
    "recipe",
    [
        tiny_recipe(),
        tiny_recipe(graph=RADIUS, filter__network__inputs="hits"),
        tiny_recipe(clusters=False, graph__cluster_shape=False, tracks__builder="components"),
    ],
    ids=["windows", "radius", "no-clusters"],
)
def test_saved_and_loaded_it_is_the_same(recipe: Recipe, unseen: Event, tmp_path: Path) -> None:
    pipeline = untrained(recipe, unseen)
    pipeline.save(tmp_path)
    again = Pipeline.load(tmp_path)
    assert again.recipe == recipe
    assert again.working_points == pipeline.working_points
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
    assert pipeline.windows is not None
    shut = replace(pipeline.windows, bounds=np.full_like(pipeline.windows.bounds, 0.0))
    result = replace(pipeline, windows=shut).run(unseen)
    assert [stage.edges for stage in result.stages] == [None, 0, 0, 0, None]
    assert result.n_tracks == 0
    assert set(result.labels.tolist()) == {-1}


def test_pipelines_with_cluster_shape_need_cells(tiny_pipeline: Path, unseen: Event) -> None:
    bare = replace(unseen, cells=None)
    with pytest.raises(InputError, match=f"{unseen.name}: no cell table"):
        Pipeline.load(tiny_pipeline).run(bare)
    recipe = tiny_recipe(clusters=False, graph__cluster_shape=False)
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
        if name != "field"
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
    taught = replace(untold, detector=replace(untold.detector, field=solenoid(0.71)))
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
    path = folder / "pipeline.yaml"
    content = yaml.safe_load(path.read_text())
    for dotted, value in changes.items():
        *keys, last = dotted.split("__")
        place = content
        for key in keys:
            place = place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value
    path.write_text(yaml.safe_dump(content))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_weights(folder: Path, prefix: str) -> None:
    path = folder / "weights.safetensors"
    save_file({key: v for key, v in load_file(path).items() if not key.startswith(prefix)}, path)


DAMAGES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("format", lambda f: edit(f, format=99), r"pipeline.yaml: format is 99, this version reads 1"),
    ("no format", lambda f: edit(f, format=None), r"pipeline.yaml: format is None"),
    ("yaml", lambda f: (f / "pipeline.yaml").write_text("a: ["), r"pipeline.yaml: is not YAML"),
    ("empty", lambda f: (f / "pipeline.yaml").write_text(""), r"pipeline.yaml: expected keys"),
    ("no recipe", lambda f: edit(f, recipe=None), r"pipeline.yaml: recipe: expected keys"),
    (
        "setting",
        lambda f: edit(f, recipe__gnn__network__steps=0),
        r"pipeline.yaml: recipe.gnn.network.steps: 0 is not allowed",
    ),
    (
        "unknown key",
        lambda f: edit(f, recipe__gnn__depth=3),
        r"pipeline.yaml: recipe.gnn.depth: unknown key",
    ),
    (
        "cut",
        lambda f: edit(f, working_points__gnn_cut=1.5),
        r"pipeline.yaml: working_points.gnn_cut: 1.5 is not in \[0, 1\]",
    ),
    (
        "no cut",
        lambda f: edit(f, working_points__filter_cut=None),
        r"pipeline.yaml: working_points.filter_cut: is missing",
    ),
    (
        "features",
        lambda f: edit(f, pair_features=["curvature", "z1"]),
        r"pair_features is \['curvature', 'z1'\].*trained with other features",
    ),
    ("no features", lambda f: edit(f, hit_features=None), r"hit_features is None"),
    ("weights", lambda f: (f / "weights.safetensors").unlink(), r"weights.safetensors: cannot be"),
    ("half", lambda f: cut_short(f / "weights.safetensors"), r"weights.safetensors: cannot be"),
    (
        "other sizes",
        lambda f: edit(f, recipe__filter__network__hidden=9),
        r"weights.safetensors: filter weights do not fit the recipe",
    ),
    ("no gnn", lambda f: drop_weights(f, "gnn"), r"gnn weights do not fit the recipe.*Missing"),
    ("windows", lambda f: (f / "windows.parquet").unlink(), r"windows.parquet: "),
    ("half windows", lambda f: cut_short(f / "windows.parquet"), r"windows.parquet: "),
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


def test_a_radius_pipeline_without_its_radius_is_refused(unseen: Event, tmp_path: Path) -> None:
    untrained(tiny_recipe(graph=RADIUS), unseen).save(tmp_path)
    edit(tmp_path, working_points__radius=None)
    with pytest.raises(InputError, match=r"pipeline.yaml: working_points.radius: is missing"):
        Pipeline.load(tmp_path)


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
