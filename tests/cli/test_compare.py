"""hitgraph compare, as it is typed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.trained import tiny_mapping

from hitgraph.cli import CANNOT_START, OK, main


def recipe(path: Path, **changes: Any) -> str:
    path.write_text(yaml.safe_dump(tiny_mapping(**changes)))
    return str(path)


@pytest.fixture(scope="module")
def line(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command, done once: two recipes with the same graph and filter."""
    folder = tmp_path_factory.mktemp("compare")
    network = {"use": "gcn", "hidden": 4, "steps": 1}
    recipes = [recipe(folder / "a.yaml"), recipe(folder / "b.yaml", gnn__network=network)]
    words = ["compare", *recipes, "--data", str(tiny_store), "--out", str(folder / "out")]
    words += ["--epochs", "1", "--seeds", "1", "2", "--device", "cpu", "--threads", "1", "--quiet"]
    assert main(words) == OK
    return words


def out_of(line: list[str]) -> Path:
    return Path(line[line.index("--out") + 1])


def test_it_leaves_a_table_a_figure_and_numbers(line: list[str]) -> None:
    out = out_of(line)
    content = json.loads((out / "compare.json").read_text())
    assert list(content["rows"]) == ["a", "b"]
    for row in content["rows"].values():
        for key in ("purity 0.95", "purity 0.98", "purity 0.99", "auc", "score"):
            assert 0 < row[key]["value"] <= 1
            assert row[key]["error"] >= 0
        assert row["cpu_seconds"]["value"] > 0
    assert content["rows"]["a"]["parameters"] != content["rows"]["b"]["parameters"]
    assert [(run["recipe"], run["seed"]) for run in content["runs"]] == [
        (name, seed) for name in "ab" for seed in (1, 2)
    ]
    for suffix in ("png", "svg"):
        assert (out / f"compare.{suffix}").stat().st_size > 1000


def test_all_runs_have_the_graph_of_the_first(line: list[str]) -> None:
    content = json.loads((out_of(line) / "compare.json").read_text())
    assert content["settings"]["shared"] == ["graph", "filter"]
    given = [[event["edges"]["given_pure"] for event in run["events"]] for run in content["runs"]]
    assert given[1:] == given[:1] * 3


def test_it_goes_on_where_it_stopped(line: list[str]) -> None:
    out = out_of(line)
    before = json.loads((out / "compare.json").read_text())["runs"]
    (point,) = (out / "points").glob("b-2-*.json")
    point.unlink()
    assert main([*line, "--resume"]) == OK
    after = json.loads((out / "compare.json").read_text())["runs"]
    assert after[:3] == before[:3]
    for key in ("parameters", "trained"):
        assert after[3][key] == before[3][key]
    assert after[3]["events"][0]["edges"] == before[3]["events"][0]["edges"]


def test_what_an_older_version_did_not_measure_is_measured_again(line: list[str]) -> None:
    """Comparisons that were begun before weights of edges counted lack them."""
    out = out_of(line)
    before = json.loads((out / "compare.json").read_text())["runs"]
    (point,) = (out / "points").glob("a-1-*.json")
    old = json.loads(point.read_text())
    for event in old["events"]:
        del event["edges"]["pure_weight"]
    point.write_text(json.dumps(old))
    assert main([*line, "--resume"]) == OK
    after = json.loads((out / "compare.json").read_text())["runs"]
    assert after[0]["events"][0]["edges"] == before[0]["events"][0]["edges"]
    assert after[1:] == before[1:]


def test_a_run_of_a_version_with_fewer_settings_is_not_taught_again(line: list[str]) -> None:
    """Such a version had another digest, of a recipe without the keys that came later."""
    out = out_of(line)
    before = json.loads((out / "compare.json").read_text())["runs"]
    (run,), (point,) = ((out / kind).glob("b-1-*") for kind in ("runs", "points"))
    identity = run / "training" / "identity.json"
    old = json.loads(identity.read_text())
    for stage in old["recipe"]["stages"]:
        stage.get("training", {}).pop("prune", None)
    identity.write_text(json.dumps(old))
    run.rename(run.with_name("b-1-000000"))
    point.rename(point.with_name("b-1-000000.json"))
    assert main([*line, "--resume"]) == OK
    assert json.loads((out / "compare.json").read_text())["runs"] == before
    assert [path.name for path in (out / "runs").glob("b-1-*")] == ["b-1-000000"]


def test_what_is_there_is_not_written_over(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line) == CANNOT_START
    assert "a comparison was begun here: go on with --resume" in capsys.readouterr().err
    changed = [*line[: line.index("--epochs") + 1], "2", *line[line.index("--epochs") + 2 :]]
    assert main([*changed, "--resume"]) == CANNOT_START
    assert "was begun with budget" in capsys.readouterr().err


def test_two_recipes_of_one_name_are_refused(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    names = [recipe(tmp_path / "a.yaml"), recipe(tmp_path / "other" / "a.yaml")]
    rest = ["--data", str(tiny_store), "--out", str(tmp_path / "out"), "--epochs", "1"]
    assert main(["compare", *names, *rest]) == CANNOT_START
    assert "a.yaml: there is another recipe a: rename its file" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_cluster_teaches_the_same(line: list[str], scheduler: str, tmp_path: Path) -> None:
    before = json.loads((out_of(line) / "compare.json").read_text())["runs"]
    place = line.index("--out") + 1
    shared = [*line[:place], str(tmp_path), *line[place + 1 :], "--dask", scheduler]
    assert main(shared) == OK
    after = json.loads((tmp_path / "compare.json").read_text())["runs"]
    assert len(after) == len(before) == 4
    for one, other in zip(after, before, strict=True):
        assert one["parameters"] == other["parameters"]
        assert one["events"][0]["edges"] == other["events"][0]["edges"]
