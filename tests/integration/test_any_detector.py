"""A detector that nothing in the code knows, from its description to tracks: no field, no cells."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hitgraph.cli import main
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline

DESCRIPTION = """
name: three-planes
field: none
planes:
  - {volume: 41, axis: x, position: [100, 200, 300], width: 60, length: 60, thickness: 0.1,
     x0: 0.001, pitch_u: 0.05, pitch_v: 0.05}
"""
BEAM = [
    *("--particle-gun", "6", "--gun-pdg", "211", "--gun-pt", "4:6", "--gun-spread", "8"),
    *("--gun-eta=-0.002:0.002", "--gun-phi=-0.002:0.002", "--beam-spot", "0:0"),
    *("--noise", "0.1", "--workers", "1", "--quiet"),
]
RECIPE = """
name: planes
description: Windows, a pair filter and a merge
seed: 1
data: {train_events: 20, validation_events: 4}
truth: {min_pt: 0.0, min_hits: 3, primary_only: false}
stages:
  - {name: graph, use: windows}
  - name: filter
    use: filter
    network: {hidden: 16, layers: 2, inputs: pairs}
    training: {epochs: 6, learning_rate: 0.01}
  - {name: tracks, use: merge, min_hits: 2}
"""


def made(folder: Path, events: int, seed: int, work: Path) -> Path:
    """A folder of CSV files without cells and without pitches, as another program writes them."""
    store = work / f"{folder.name}-store"
    detector = ["--detector", str(work / "planes.yaml"), "--events", str(events)]
    assert main(["simulate", str(store), *detector, "--seed", str(seed), *BEAM]) == 0
    assert main(["convert", str(store), "--to", "trackml", "--out", str(folder), "--quiet"]) == 0
    for path in folder.glob("*-cells.csv"):
        path.unlink()
    (table,) = folder.glob("detectors.csv")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [name for name in rows[0] if not name.startswith("pitch")]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    (folder / "dataset.json").unlink(missing_ok=True)
    return folder


def test_three_planes_without_field_and_cells_from_a_description_to_tracks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lightning", reason="lightning is not installed (extra train)")
    (tmp_path / "planes.yaml").write_text(DESCRIPTION, encoding="utf-8")
    (tmp_path / "planes-recipe.yaml").write_text(RECIPE, encoding="utf-8")
    taught, fresh = made(tmp_path / "a", 24, 1, tmp_path), made(tmp_path / "b", 10, 2, tmp_path)
    runs = str(tmp_path / "run")
    recipe = str(tmp_path / "planes-recipe.yaml")
    capsys.readouterr()
    assert main(["train", recipe, "--data", str(taught), "--out", runs]) == 0
    said = "the events have no cells, so without clusters: graph, filter"
    assert capsys.readouterr().out.count(said) == 1
    with_cells = list_events([tmp_path / "b-store"])[0].read()
    assert with_cells.cells is not None
    pipeline = Pipeline.load(runs)
    labels = pipeline.run(with_cells).labels
    assert labels.max() >= 3
    assert labels.tolist() == pipeline.run(replace(with_cells, cells=None)).labels.tolist()
    tracks = str(tmp_path / "tracks")
    assert main(["reconstruct", str(fresh), "--pipeline", runs, "--out", tracks, "--quiet"]) == 0
    out = tmp_path / "metrics.json"
    assert main(["evaluate", tracks, "--truth", str(fresh), "--json", str(out), "--quiet"]) == 0
    metrics = json.loads(out.read_text(encoding="utf-8"))["tracks"]["tracks"]["matchings"]["lhc"]
    assert metrics["efficiency"][0]["physics"]["total"] == 60
    assert metrics["efficiency"][0]["physics"]["value"] > 0.8
    assert metrics["purity"]["value"] > 0.8
