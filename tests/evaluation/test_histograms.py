"""Histograms for other programs: the counts of the metrics, in ROOT and in JSON."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hitgraph.cli import main
from hitgraph.errors import MissingExtraError
from hitgraph.evaluation import truth_labels
from hitgraph.evaluation.comparison import compare
from hitgraph.evaluation.histograms import histograms
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.store import write_event
from hitgraph.event.trackml import write_submission
from hitgraph.event.truth import summarise_particles

MATCHINGS = ("double_majority", "lhc", "perfect")


@pytest.fixture
def event(tmp_path: Path, make_event: Callable[..., Event]) -> Event:
    """With its truth in tmp_path/truth and tracks of the particles with phi > 0 in tmp_path/up."""
    event = make_event(n_particles=12)
    write_event(event, tmp_path / "truth")
    labels = truth_labels(event)
    assert event.truth is not None
    particles = summarise_particles(event)
    up = particles.particle_id[particles.phi > 0]
    labels[~np.isin(event.truth.particle_id, up)] = -1
    path = tmp_path / "up" / f"{event.name}-tracks.csv"
    write_submission(path, event.name, event.hits.hit_id, labels + 1)
    return event


def evaluate(folder: Path, *words: str) -> int:
    command = ["evaluate", str(folder / "up"), "--truth", str(folder / "truth"), "--quiet"]
    return main([*command, *words])


def test_root_holds_pairs_named_as_in_acts(tmp_path: Path, event: Event) -> None:
    uproot = pytest.importorskip("uproot", reason="the extra root is not installed")
    out = tmp_path / "performance.root"
    assert evaluate(tmp_path, "--root", str(out)) == 0
    particles = summarise_particles(event)
    phi, stiff = particles.phi, particles.pt > 0.5
    up = phi > 0
    with uproot.open(out) as file:
        for matching in MATCHINGS:
            for variable in ("eta", "phi", "prodR"):
                name = f"up/{matching}/trackeff_vs_{variable}"
                assert file[f"{name}_total"].classname == "TH1D"
                assert file[f"{name}_total"].values().sum() == stiff.sum() > 0
                assert file[f"{name}_passed"].values().sum() == (up & stiff).sum() > 0
            name = f"up/{matching}/trackeff_vs_pT"
            assert file[f"{name}_total"].values().sum() == len(phi)
            assert file[f"{name}_passed"].values().sum() == up.sum()
            passed, edges = file[f"up/{matching}/trackeff_vs_phi_passed"].to_numpy()
            assert np.array_equal(passed, np.histogram(phi[up & stiff], edges)[0])
            assert not passed[edges[:-1] < -1e-6].any()
        assert file["up/nHits_particles"].values().sum() == len(phi)


@pytest.mark.usefixtures("event")
def test_json_holds_the_same_by_the_schema_of_uhi(tmp_path: Path) -> None:
    uproot = pytest.importorskip("uproot", reason="the extra root is not installed")
    out, root = tmp_path / "histograms.json", tmp_path / "performance.root"
    assert evaluate(tmp_path, "--histograms", str(out), "--root", str(root)) == 0
    content = json.loads(out.read_text())
    with uproot.open(root) as file:
        assert len(content) == sum(kind == "TH1D" for kind in file.classnames().values())
        for name, one in content.items():
            (axis,) = one["axes"]
            counts, edges = file[name].to_numpy()
            assert (one["uhi_schema"], axis["type"], one["storage"]["type"]) == (
                1,
                "variable",
                "int",
            )
            assert counts.tolist() == one["storage"]["values"]
            assert edges == pytest.approx(axis["edges"])  # ROOT keeps the ends of equal bins
            assert not axis["underflow"]
            assert not axis["overflow"]


@pytest.mark.usefixtures("event")
def test_it_needs_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uproot", None)
    assert evaluate(tmp_path, "--root", str(tmp_path / "out.root")) == 2
    assert "hitgraph[root]" in capsys.readouterr().err
    assert not (tmp_path / "out.root").exists()


@pytest.mark.usefixtures("event")
def test_hist_has_the_same_counts_and_projects_and_adds_them(tmp_path: Path) -> None:
    pytest.importorskip("hist", reason="the extra root is not installed")
    sources = list_events([tmp_path / "truth"])
    comparison = compare([tmp_path / "up"], sources)
    for name, one in histograms(comparison).items():
        filled = one.to_hist()
        (axis,) = filled.axes
        assert (axis.name, tuple(axis.edges)) == (one.variable, one.edges), name
        assert filled.values(flow=True).tolist() == list(one.counts)  # no bin beyond the edges
        assert (filled + filled).sum() == 2 * sum(one.counts)


@pytest.mark.usefixtures("event")
def test_hist_needs_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = compare([tmp_path / "up"], list_events([tmp_path / "truth"]))
    monkeypatch.setitem(__import__("sys").modules, "hist", None)
    with pytest.raises(MissingExtraError, match=r"hitgraph\[root\]"):
        next(iter(histograms(comparison).values())).to_hist()
