"""The stage `vertices`: taught by a recipe, run by a pipeline, and its finder on any tracks."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.trained import tiny_mapping, train_quietly, training_events, write_store

from hitgraph.cli import CANNOT_START, OK, main
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.collisions import VERTEX_BITS
from hitgraph.event.event import Event
from hitgraph.event.vertices import Vertices, find_vertices, read_vertices
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe
from hitgraph.settings import parse

BEAM = "2.0"  # mm: so few tracks have neighbours then
FIT = {"name": "fit", "use": "helix_fit"}
STAGE = {
    "name": "vertices",
    "use": "vertices",
    "network": {"hidden": 8},
    "labeller": {"use": "components", "min_hits": 2},
    "training": {"epochs": 1},
    "beam_size": float(BEAM),
}


def of_one_collision(event: Event) -> Event:
    """The same event with all particles of its first collision."""
    assert event.particles is not None
    assert event.truth is not None

    def numbered(particle_id: np.ndarray) -> np.ndarray:
        return np.where(particle_id > 0, (1 << VERTEX_BITS) + (particle_id >> VERTEX_BITS), 0)

    particles, truth = (
        replace(table, particle_id=numbered(table.particle_id))
        for table in (event.particles, event.truth)
    )
    return replace(event, particles=particles, truth=truth)


@pytest.fixture(scope="module")
def store(make_event: Callable[..., Event], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events of tests.trained, each one collision."""
    events = [of_one_collision(event) for event in training_events(make_event)]
    return write_store(tmp_path_factory.mktemp("one") / "store", events)


@pytest.fixture(scope="module")
def taught(store: Path, tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pipeline with a helix fit and vertices behind it."""
    mapping = tiny_mapping()
    mapping["stages"] += [FIT, STAGE]
    out = tmp_path_factory.mktemp("taught") / "taught"
    train_quietly(parse(Recipe, mapping), store, out, start=Pipeline.load(tiny_pipeline))
    return out


@pytest.fixture(scope="module")
def tracks(store: Path, taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pipeline writes."""
    out = tmp_path_factory.mktemp("tracks")
    words = ["reconstruct", str(store), "--pipeline", str(taught), "--quiet"]
    assert main([*words, "--out", str(out)]) == OK
    return out


def same(one: Vertices, other: Vertices) -> bool:
    names = ("z", "z_error", "n_tracks", "sum_pt2", "track_id", "vertex")
    return all(np.allclose(getattr(one, name), getattr(other, name)) for name in names)


def test_a_pipeline_writes_what_its_finder_finds_from_its_tracks(
    tracks: Path, taught: Path, tmp_path: Path
) -> None:
    words = ["vertices", str(tracks), "--finder", "learnt", "--pipeline", str(taught), "--quiet"]
    assert main([*words, "--beam-size", BEAM, "--out", str(tmp_path)]) == OK
    by_pipeline, by_command = find_vertices(tracks), find_vertices(tmp_path)
    assert list(by_pipeline) == list(by_command)
    found = [read_vertices(path) for path in by_pipeline.values()]
    assert sum(map(len, found)) > 0
    for one, path in zip(found, by_command.values(), strict=True):
        assert same(one, read_vertices(path))
        np.testing.assert_array_equal(np.bincount(one.vertex), one.n_tracks)


def test_its_vertices_are_judged_beside_its_tracks(
    tracks: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(tracks), "--truth", str(store)]
    assert main([*words, "--vertices", str(tracks)]) == OK
    assert "Primary vertices" in capsys.readouterr().out


def test_a_report_shows_them(tracks: Path, store: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    words = ["report", str(tracks), "--truth", str(store), "--out", str(page), "--quiet"]
    assert main([*words, "--figures", "png", str(tmp_path)]) == OK
    text = page.read_text()
    assert text.index("Fitted tracks") < text.index("Primary vertices") < text.index("Stages of")
    assert "split vertices" in text
    assert (tmp_path / "vertices.png").stat().st_size > 1000


def test_tracks_made_anew_leave_no_vertices_of_the_old_ones(
    tracks: Path, store: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tracks"
    shutil.copytree(tracks, out)
    words = ["reconstruct", str(store), "--pipeline", str(tiny_pipeline), "--quiet"]
    assert main([*words, "--out", str(out), "--force"]) == OK
    assert list(out.glob("*-tracks.csv"))
    assert not [*out.glob("*-fits.*"), *out.glob("*-vertices.*"), *out.glob("*-attached.*")]


def test_a_pipeline_without_the_stage_has_no_finder(
    tracks: Path, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["vertices", str(tracks), "--finder", "learnt", "--out", str(tmp_path)]
    assert main([*words, "--pipeline", str(tiny_pipeline)]) == CANNOT_START
    assert "has no stage that finds vertices" in capsys.readouterr().err
    assert main(words) == CANNOT_START
    assert "--finder learnt: needs --pipeline" in capsys.readouterr().err
    words[words.index("learnt")] = "stacking"
    assert main([*words, "--pipeline", str(tiny_pipeline)]) == CANNOT_START
    assert (
        "--pipeline: goes with --finder learnt only, the finder is stacking"
        in capsys.readouterr().err
    )


def test_events_without_two_tracks_of_a_collision_teach_nothing(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    """Every particle of these is of a collision of its own."""
    mapping = tiny_mapping()
    mapping["stages"] += [FIT, STAGE]
    start = Pipeline.load(tiny_pipeline)
    with pytest.raises(InputError, match="training events have no two fitted tracks of one coll"):
        train_quietly(parse(Recipe, mapping), tiny_store, tmp_path / "out", start=start)


def test_a_labeller_that_reads_no_edges_is_refused() -> None:
    mapping = tiny_mapping()
    mapping["stages"] += [FIT, {**STAGE, "labeller": {"use": "helix_fit"}}]
    with pytest.raises(SettingsError, match=r"stages.vertices.labeller.use: .* builds no tracks"):
        parse(Recipe, mapping)


def test_without_fitted_tracks_a_recipe_is_refused() -> None:
    mapping = tiny_mapping()
    mapping["stages"] += [STAGE]
    with pytest.raises(SettingsError, match=r"stages.vertices: needs track.*helix_fit"):
        parse(Recipe, mapping)
