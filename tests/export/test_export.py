"""The command, and what becomes of an export that is not right."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hitgraph.export.run
from hitgraph.cli import CANNOT_START, OK, main
from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.export import graphs
from hitgraph.export.aoti import TARGET as AOTI
from hitgraph.export.graphs import sector, some_edges, states_of
from hitgraph.export.parity import as_text, check
from hitgraph.export.run import export_pipeline
from hitgraph.export.targets import Format, Target
from hitgraph.export.torchscript import TARGET as TORCHSCRIPT
from hitgraph.export.torchscript import load, save
from hitgraph.pipeline import Pipeline


@pytest.fixture(scope="module")
def pipeline(tiny_pipeline: Path) -> Pipeline:
    return Pipeline.load(tiny_pipeline)


def command(pipeline: Path, store: Path, out: Path, *more: str) -> int:
    words = ["export", str(pipeline), "--to", "torchscript", "--out", str(out)]
    return main([*words, "--data", str(store), "--quiet", *more])


def test_the_command_writes_models_and_parity(
    tiny_pipeline: Path, tiny_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    assert command(tiny_pipeline, tiny_store, out) == OK
    names = {path.name for path in out.iterdir()}
    assert names == {"filter.pt", "gnn.pt", "models.json", "parity.json", "parity.txt"}
    parity = json.loads((out / "parity.json").read_text())
    assert 0 <= parity["largest"] <= parity["tolerance"] <= 1e-4
    graphs = [one["graph"] for one in parity["checks"] if one["file"] == "gnn.pt"]
    assert len(graphs) == 5
    assert graphs[3:] == ["one edge", "no edge"]
    sizes = [one["n_hits"] for one in parity["checks"]]
    assert len(set(sizes)) >= 4
    assert (out / "parity.txt").read_text().count("gnn.pt") == 5
    models = {one["stage"]: one for one in json.loads((out / "models.json").read_text())["models"]}
    assert models["gnn"]["files"] == ["gnn.pt"]
    assert models["gnn"]["columns"]["edge_attr"] == ["logit", "curvature", "z0", "slope"]
    assert 0 < models["gnn"]["cut"] < 1
    assert list(tmp_path.rglob(".*")) == []

    assert command(tiny_pipeline, tiny_store, out) == CANNOT_START
    link = tmp_path / "link"
    link.symlink_to(out)
    (out / "old").touch()
    assert command(tiny_pipeline, tiny_store, link, "--force") == OK
    assert link.is_symlink()
    assert {path.name for path in link.iterdir()} == names
    assert list(tmp_path.rglob(".*")) == []


def test_an_export_that_differs_is_not_written(
    pipeline: Pipeline, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One edge off by more than the tolerance, on one graph."""

    def wrong(path: Path) -> object:
        run = load(path)

        def with_a_fault(inputs: Mapping[str, Tensor]) -> Tensor:
            output = run(inputs)
            if path.name == "gnn.pt" and len(output) > 1:
                output[1] += 0.01
            return output

        return with_a_fault

    target = Target(TORCHSCRIPT.models, [Format(".pt", save, wrong)], 1e-4)  # type: ignore[arg-type]
    monkeypatch.setattr(hitgraph.export.run, "find_target", lambda _: target)
    events = [source.read() for source in list_events([tiny_store])[:1]]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "models.json").touch()
    with pytest.raises(HitgraphError, match=r"gnn.pt is not what the pipeline does.*row 1 is"):
        export_pipeline(pipeline, "torchscript", tmp_path / "out", events, force=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "models.json"]


def test_each_step_is_told_before_it_is_taken(
    pipeline: Pipeline, tiny_event: Event, tmp_path: Path
) -> None:
    told: list[tuple[str, bool]] = []  # and whether something is written by then
    export_pipeline(
        pipeline,
        "torchscript",
        tmp_path / "out",
        [tiny_event],
        report=lambda line: told.append((line, any(tmp_path.rglob("filter.pt")))),
    )
    assert told == [
        (f"running the pipeline on {tiny_event.name}", False),
        ("writing filter.pt, and comparing it with the pipeline", False),
        ("writing gnn.pt, and comparing it with the pipeline", True),
    ]


def test_a_shape_that_differs_is_a_fault() -> None:
    x = torch.ones(3, 2)
    found = check("a", "g", lambda inputs: inputs["x"], {"x": x}, torch.ones(3))
    assert found.largest == torch.inf
    assert "shape (3, 2), expected (3,)" in found.fault
    nothing = check("a", "g", lambda inputs: inputs["x"] * torch.nan, {"x": x}, x)
    assert nothing.largest == torch.inf
    assert "inf" in as_text([found, nothing])


def test_what_rounding_decides_is_counted_and_not_compared() -> None:
    expected = torch.tensor([1.0, torch.nan, 3.0])
    given = torch.tensor([1.0, -50.0, 3.75])
    found = check("a", "g", lambda _: given, {"x": expected}, expected)
    assert (found.largest, found.row, found.unsure) == (0.25, 2, 1)  # a quarter of 3
    nothing = check("a", "g", lambda _: given * torch.nan, {"x": expected}, expected)
    assert nothing.largest == torch.inf


def test_the_largest_difference_is_told_by_its_row() -> None:
    expected = torch.zeros(4, 2)
    given = expected.clone()
    given[2, 1] = -0.5
    found = check("a", "g", lambda _: given, {"x": expected}, expected)
    assert (found.largest, found.row, found.here, found.there) == (0.5, 2, 0.0, -0.5)


def test_an_existing_folder_is_kept(pipeline: Pipeline, tmp_path: Path, tiny_event: Event) -> None:
    with pytest.raises(SettingsError, match="is there already: --force replaces it"):
        export_pipeline(pipeline, "torchscript", tmp_path, [tiny_event])
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file: is there and no folder"):
        export_pipeline(pipeline, "torchscript", tmp_path / "file", [tiny_event], force=True)


def test_a_folder_that_is_no_export_is_never_replaced(
    pipeline: Pipeline, tmp_path: Path, tiny_event: Event
) -> None:
    """As where --out names the home folder, or that of the pipeline."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SettingsError, match=r"is there and no export, it has no models.json"):
        export_pipeline(pipeline, "torchscript", tmp_path, [tiny_event], force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_smaller_graphs_have_the_edges_between_their_hits(
    pipeline: Pipeline, tiny_event: Event
) -> None:
    state = pipeline.run(tiny_event, keep=["filter"]).kept["filter"]
    part = sector(state, 0.5)
    phi = torch.atan2(state.hits.position[:, 1], state.hits.position[:, 0])
    rows = torch.nonzero(phi <= 0).squeeze(1)
    inside = torch.isin(state.graph(), rows).all(dim=0)
    assert 0 < part.n_edges == int(inside.sum()) < state.n_edges
    assert torch.equal(rows[part.graph()], state.graph()[:, inside])
    assert torch.equal(part.edge["logit"], state.edge["logit"][inside])
    one, none = some_edges(state, 1), some_edges(state, 0)
    assert torch.equal(
        one.hits.position[one.graph()[:, 0]], state.hits.position[state.graph()[:, 0]]
    )
    assert (len(one.hits), one.n_edges, len(none.hits), none.n_edges) == (2, 1, 2, 0)


def test_there_are_three_sizes_of_as_many_events_as_there_are(
    pipeline: Pipeline, tiny_store: Path
) -> None:
    events = [source.read() for source in list_events([tiny_store])[:3]]
    shares = ["100 %", "30 %", "10 %"]
    for given in ([0, 1, 2], [0, 1, 0], [0, 0, 0]):
        graphs = states_of(pipeline, [events[k] for k in dict.fromkeys(given)])
        whose = [f"{share} of {events[k].name}" for share, k in zip(shares, given, strict=True)]
        assert list(graphs) == [*whose, "one edge", "no edge"]


@pytest.mark.slow
def test_compiled_ahead_of_time(pipeline: Pipeline, tiny_store: Path, tmp_path: Path) -> None:
    """Where there is a compiler."""
    import shutil

    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    assert AOTI.formats[0].suffix == ".pt2"
    events = [source.read() for source in list_events([tiny_store])[:1]]
    checks = export_pipeline(pipeline, "aoti", tmp_path / "out", events)
    assert {one.file for one in checks} == {"filter.pt2", "gnn.pt2"}


def test_without_a_compiler_it_is_told(
    pipeline: Pipeline, tiny_event: Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HitgraphError, match=r"the compiler g\+\+ is not there"):
        export_pipeline(pipeline, "aoti", tmp_path / "out", [tiny_event])
    assert list(tmp_path.iterdir()) == []


def test_of_a_large_event_a_part_is_compared(
    tiny_pipeline: Path, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, event = Pipeline.load(tiny_pipeline), list_events([tiny_store])[0].read()

    def largest() -> int:
        first = next(iter(graphs.states_of(pipeline, [event]).values()))
        return max(len(one.graph().T) for one in first.values() if one.edges is not None)

    whole = largest()
    monkeypatch.setattr(graphs, "MOST_EDGES", whole // 2)
    assert 0 < largest() < whole
