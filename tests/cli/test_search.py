"""hitgraph search, as it is typed."""

import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.trained import tiny_mapping, write_store

from hitgraph.cli import CANNOT_START, OK, main
from hitgraph.event.event import Event

pytest.importorskip("optuna", reason="Optuna is not installed (extra search)")

SPACE = {
    "stages.gnn.training.learning_rate": {"low": 0.005, "high": 0.05, "log": True},
    "stages.gnn.network": {
        "one_of": [
            {
                "use": "interaction",
                "hidden": {"low": 4, "high": 8, "step": 4},
                "mlp_hidden": 8,
                "steps": 2,
            },
            {"use": "gcn", "hidden": 4, "steps": {"low": 1, "high": 2}},
        ]
    },
}


def words(folder: Path, events: Path, space: Any = SPACE, **recipe: Any) -> list[str]:
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny_mapping(**recipe)))
    (folder / "space.yaml").write_text(yaml.safe_dump(space))
    line = ["search", str(folder / "tiny.yaml"), "--space", str(folder / "space.yaml")]
    line += ["--data", str(events), "--out", str(folder / "out"), "--epochs", "1"]
    return [*line, "--trials", "6", "--device", "cpu", "--threads", "1", "--quiet"]


def content_of(line: list[str]) -> dict[str, Any]:
    out = Path(line[line.index("--out") + 1])
    found: dict[str, Any] = json.loads((out / "search.json").read_text())
    return found


def changed(line: list[str], option: str, value: object) -> list[str]:
    """The line with another value of an option."""
    place = line.index(option) + 1
    return [*line[:place], str(value), *line[place + 1 :]]


@pytest.fixture(scope="module")
def line(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command, done once."""
    folder = tmp_path_factory.mktemp("search")
    found = words(folder, tiny_store)
    assert main(found) == OK
    return found


def test_it_leaves_a_table_figures_and_numbers(line: list[str]) -> None:
    content = content_of(line)
    itself, *trials = content["trials"]
    assert itself["name"] == "the recipe itself"
    assert itself["values"]["stages.gnn.network"] == "interaction"
    assert [one["name"] for one in trials] == [f"trial {k}" for k in range(1, 7)]
    done = [one for one in content["trials"] if one["state"] == "complete"]
    for one in done:
        assert 0 <= one["figures"]["score"] <= 1
        assert one["figures"]["cpu_seconds"] > 0
        names = {key.rpartition(".")[2] for key in one["values"]}
        inside = {"interaction": {"hidden"}, "gcn": {"steps"}}
        assert names == {"learning_rate", "network"} | inside[one["values"]["stages.gnn.network"]]
    out = Path(line[line.index("--out") + 1])
    assert {path.name for path in out.glob("front.*")} == {"front.png", "front.svg"}


def test_nothing_is_better_and_faster_than_the_front(line: list[str]) -> None:
    content = content_of(line)
    points = {
        one["name"]: (one["figures"]["score"], one["figures"]["cpu_seconds"])
        for one in content["trials"]
        if one["state"] == "complete"
    }
    front = [points[name] for name in content["front"]]
    for score, seconds in points.values():
        assert not any(score > better and seconds < slower for better, slower in front)
    assert points[content["best"]][0] == max(score for score, _ in points.values())


def test_the_best_recipe_can_be_trained(line: list[str], tiny_store: Path, tmp_path: Path) -> None:
    out = Path(line[line.index("--out") + 1])
    best = out / "best.yaml"
    assert f"# {content_of(line)['best']} of the search tiny" in best.read_text()
    assert len(list((out / "front").iterdir())) == len(content_of(line)["front"])
    rest = ["--data", str(tiny_store), "--out", str(tmp_path / "p"), "--device", "cpu", "--quiet"]
    assert main(["train", str(best), *rest]) == OK


def test_shared_stages_are_those_of_the_recipe(line: list[str]) -> None:
    assert content_of(line)["settings"]["shared"] == ["graph", "filter"]


def test_it_goes_on_and_is_not_written_over(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = content_of(line)["trials"]
    assert main(line) == CANNOT_START
    assert "has a search tiny with 6 trials: go on with it, or join" in capsys.readouterr().err
    front = Path(line[line.index("--out") + 1]) / "front"
    (front / "trial-99.yaml").write_text("# behind the front by now\n")
    assert main([*changed(line, "--trials", 8), "--resume"]) == OK
    after = content_of(line)["trials"]
    assert after[:7] == before
    assert len(after) == 9
    names = {name.replace(" ", "-") for name in content_of(line)["front"]}
    assert {path.stem for path in front.iterdir()} == names


def test_a_store_of_another_search_is_refused(
    line: list[str], tmp_path: Path, tiny_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Path(line[line.index("--out") + 1]) / "search.journal"
    assert main([*changed(line, "--epochs", 2), "--resume"]) == CANNOT_START
    said = capsys.readouterr().err
    assert f"{store}: is the store of another search, whose budget is" in said
    other = words(tmp_path, tiny_store, {"stages.gnn.sectors": {"low": 1, "high": 2}})
    assert main([*other, "--store", str(store), "--resume"]) == CANNOT_START
    assert "whose space is" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["text", "locked", "no driver", "no folder"])
def test_a_store_that_cannot_be_used_is_one_message(
    kind: str, tmp_path: Path, tiny_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = words(tmp_path, tiny_store)
    path = tmp_path / "store"
    store, message = str(path), "cannot be used as the store"
    if kind == "text":
        path.write_text("no journal\n")
    elif kind == "locked":
        store, message = f"sqlite:///{path}", "another program holds it"
        holder = sqlite3.connect(path)
        holder.execute("CREATE TABLE held (x)")
        holder.execute("BEGIN EXCLUSIVE")
    elif kind == "no driver":
        store = "nosuchdatabase://host/search"
    else:
        store = str(tmp_path / "tiny.yaml" / "store")
    assert main([*line, "--store", store]) == CANNOT_START
    said = capsys.readouterr().err
    assert f"hitgraph search: {store}: " in said
    assert message in said
    assert said.count("\n") == 1
    if kind == "locked":
        holder.close()


@pytest.mark.usefixtures("one_import")
def test_a_database_is_a_store_and_workers_share_it(
    tiny_store: Path, tmp_path: Path, line: list[str]
) -> None:
    store = f"sqlite:///{tmp_path / 'search.db'}"
    shared = words(tmp_path, tiny_store)
    assert main([*shared, "--store", store, "--workers", "2"]) == OK
    found = content_of(shared)
    assert len(found["trials"]) == 7
    assert all(one["state"] in ("complete", "pruned") for one in found["trials"])
    itself = content_of(line)["trials"][0]["figures"]
    for key in ("score", "auc", "parameters"):
        assert found["trials"][0]["figures"][key] == itself[key]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"stages.gnn.hiden": [1]}, "stages.gnn.hiden: the recipe has no hiden there"),
        ({"stages.gnu.sectors": 1}, "stages.gnu.sectors: the recipe has no gnu there (did you"),
        ({"stages.gnn.sectors": {"low": 0, "high": 2}}, "stages.gnn.sectors: 0"),
        ({"stages.gnn.sectors": {"low": 3, "high": 2}}, "low: 3 is not below high, 2"),
        ({"stages.gnn.network": {"one_of": [{"use": "x"}]}}, "network.use: 'x' is not allowed"),
        ({"stages.gnn.sectors": 2}, "has neither a range"),
        ({"data.train_events": {"low": 1, "high": 2}}, "compared on the same events"),
        (
            {"stages.gnn": 1, "stages.gnn.sectors": {"low": 1, "high": 2}},
            "stages.gnn.sectors: is part of stages.gnn",
        ),
    ],
)
def test_a_space_that_does_not_fit_is_refused_before_any_work(
    space: dict[str, Any],
    message: str,
    tiny_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words(tmp_path, tiny_store, space)) == CANNOT_START
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_recipe_and_the_front_are_judged_on_other_events(
    line: list[str], make_event: Callable[..., Event], tmp_path: Path
) -> None:
    other = write_store(tmp_path / "other", [make_event(n_particles=20, n_noise=10, seed=9)])
    assert main([*line, "--resume", "--test", str(other)]) == OK
    content = content_of(line)
    assert set(content["test"]) == {"the recipe itself", *content["front"]}
    for row in content["test"].values():
        assert 0 <= row["score"]["value"] <= 1


def test_events_that_train_do_not_judge_at_the_end(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words(tmp_path, tiny_store), "--test", str(tiny_store)]) == CANNOT_START
    assert "cannot judge as well" in capsys.readouterr().err


def test_a_trial_that_falls_behind_ends_early(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hitgraph.search.trial.is_worse", lambda *_: True)
    line = changed(changed(words(tmp_path, tiny_store), "--epochs", 8), "--trials", 2)
    assert main(line) == OK
    itself, *trials = content_of(line)["trials"]
    assert itself["state"] == "complete"
    assert [one["state"] for one in trials] == ["pruned"] * 2
    assert {one["why"] for one in trials} == {"behind after 1 of 4 parts of gnn"}
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 1


def test_without_optuna_the_extra_is_named(
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "hitgraph.search.store")
    assert main(words(tmp_path, tiny_store)) == CANNOT_START
    assert "pip install 'hitgraph[search]'" in capsys.readouterr().err
