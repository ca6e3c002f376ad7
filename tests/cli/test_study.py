"""hitgraph study, as it is typed."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.trained import write_store

from hitgraph.cli import CANNOT_START, OK, main
from hitgraph.cli.study import SAMPLES, STUDIES
from hitgraph.event.event import Event
from hitgraph.event.field import solenoid
from hitgraph.event.store import write_dataset_info
from hitgraph.simulate.settings import ParticleGun
from hitgraph.studies.samples import sample_settings, setting_of, simulate_samples
from hitgraph.workers import HERE

Study = Callable[..., tuple[int, Path]]

QUICK = {
    "noise": ("--fractions", "0", "0.2"),
    "misalignment": ("--shifts", "0", "1", "--layers", "1"),
    "rotation": ("--angles", "0", "90"),
    "regions": ("--regions", "1", "3x2", "--min-pt", "0.3"),
    "robustness": ("--changes", "digital", "dead-modules"),
    "scaling": ("--ranks", "1", "--batches", "2"),
}


@pytest.fixture(scope="module")
def study(tiny_store: Path, tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """`study(name, *arguments)` on one event; the exit status and the folder."""
    out = tmp_path_factory.mktemp("studies")

    def run(name: str, *arguments: str) -> tuple[int, Path]:
        line = ["study", name, str(tiny_store), "--events", "1000", "--out", str(out / name)]
        line += ["--pipeline", str(tiny_pipeline), "--device", "cpu", "--threads", "1", "--quiet"]
        return main([*line, *arguments]), out / name

    return run


@pytest.mark.parametrize("name", [name for name in STUDIES if name not in SAMPLES])
def test_every_study_leaves_numbers_and_figures(study: Study, name: str) -> None:
    status, out = study(name, *QUICK.get(name, ()))
    assert status == OK
    content = json.loads((out / f"{name}.json").read_text())
    assert content["study"] == name
    assert content["settings"]["events"]
    for suffix in ("png", "svg"):
        assert (out / f"{name}.{suffix}").stat().st_size > 1000
    series = content.get("series", {})
    if name == "noise":
        (values,) = series.values()
        assert [one["noise"] for one in values] == pytest.approx([0, 0.2], abs=0.01)
    if name == "regions":  # of one there is no border
        whole, parts = next(iter(series.values()))
        for cut in whole["places"]["inside"].values():
            assert cut["full"] == cut["regions"]
            assert cut["different"] == 0
        assert whole["hits_taken"] == 1 < parts["hits_taken"] < 6
    if name == "rotation":  # with a table turned along, nothing has changed
        known = next(values for key, values in series.items() if key.endswith(", table turned"))
        assert known[0]["technical"] == known[1]["technical"]


def test_a_study_goes_on_with_the_settings_it_began_with(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = study("noise", "--fractions", "0.1", "--force")
    written = {path: path.stat().st_mtime_ns for path in (out / "points").glob("*event*")}
    assert len(written) == 1
    assert study("noise", "--fractions", "0.1", "--resume")[0] == OK
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
    assert study("noise", "--fractions", "0.2", "--resume")[0] == CANNOT_START
    assert "noise" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["noise", "particles", "losses", "robustness"])
def test_a_study_of_some_particles_says_which(
    study: Study, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words = ("--select", "min_pt=0.7", "max_pt=5", "--force")
    status, out = study(name, *QUICK.get(name, ()), *words)
    assert status == OK
    content = json.loads((out / f"{name}.json").read_text())
    assert content["settings"]["selection"]["min_pt"] == 0.7
    if name == "noise":
        (values,) = content["series"].values()
        assert list(values[0]["technical"]) == ["0.7", "1"]
    assert study(name, *QUICK.get(name, ()), "--resume")[0] == CANNOT_START
    assert "was begun with selection" in capsys.readouterr().err


def test_a_study_goes_on_by_whatever_path_events_and_pipeline_are_given(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["study", "noise", "--fractions", "0", "--events", "1000", "--out", str(tmp_path)]
    line += ["--device", "cpu", "--threads", "1", "--quiet"]
    assert main([*line, str(tiny_store), "--pipeline", str(tiny_pipeline)]) == OK
    monkeypatch.chdir(tiny_store.parent)
    pipeline = f"{Path('..') / tiny_pipeline.parent.name}/{tiny_pipeline.name}/"
    assert main([*line, tiny_store.name, "--pipeline", pipeline, "--resume"]) == OK


@pytest.mark.parametrize("words", [["noise", "--fractions", "0"], ["size"]])
def test_events_and_pipelines_are_what_they_hold(
    tiny_store: Path,
    tiny_pipeline: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    events, pipeline, out = tmp_path / "elsewhere", tmp_path / "renamed", tmp_path / "study"
    line = ["study", *words, "--events", "1000", "--out", str(out)]
    line += ["--device", "cpu", "--threads", "1", "--quiet"]
    assert main([*line, str(tiny_store), "--pipeline", str(tiny_pipeline)]) == OK
    written = {path: path.stat().st_mtime_ns for path in (out / "points").glob("*event*")}
    shutil.copytree(tiny_store, events)
    shutil.copytree(tiny_pipeline, pipeline)
    line += [str(events), "--pipeline", str(pipeline), "--resume"]
    assert main(line) == OK
    assert {path: path.stat().st_mtime_ns for path in (out / "points").glob("*event*")} == written
    other = next(events.glob("event000001001.hits.*"))
    shutil.copy(other, events / other.name.replace("1001", "1000"))
    assert main(line) == CANNOT_START
    assert "was begun with events" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("noise", ("--fractions", "1.5"), "noise"),
        ("misalignment", ("--layers", "40"), "layers"),
        ("regions", ("--regions", "0x3"), "--regions: '0x3': N parts of azimuth"),
        ("regions", ("--min-pt", "-1"), "min_pt: -1 GeV is not allowed"),
        ("robustness", ("--changes", "rain"), "'rain' is not known; any of dead-modules"),
        ("robustness", ("--simulate", "rain"), "'rain' is not known; any of nominal"),
        ("robustness", ("--pileup", "20"), "--pileup is about what --simulate makes"),
        ("pileup", ("--simulate", "20"), "either EVENTS"),
        ("pileup", (), "dataset.json"),
        ("scaling", ("--ranks", "2"), "name 1 first"),
        ("scaling", ("--ranks", "1", "3", "--batches", "4"), "4 cannot be shared evenly by 3"),
        ("field", ("--pileup", "20"), "--pileup is about what --simulate makes"),
        ("pileup", ("--preset", "plain"), "--preset is about what --simulate makes"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(
    study: Study,
    capsys: pytest.CaptureFixture[str],
    name: str,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    status, _ = study(name, *arguments)
    assert status == CANNOT_START
    assert says in capsys.readouterr().err


def test_the_study_of_the_field_scales_that_of_trackml(
    tiny_pipeline: Path, make_event: Callable[..., Event], tmp_path: Path
) -> None:
    folders = []
    for field in (solenoid(1.1), solenoid(0.9)):
        event = replace(make_event(n_particles=20, n_noise=10), field=field)
        folders.append(write_store(tmp_path / field.name.replace(":", "-"), [event]))
        write_dataset_info(folders[-1], {"settings": {"field": field.name}})
    out = tmp_path / "study"
    line = ["study", "field", *map(str, folders), "--out", str(out), "--device", "cpu", "--quiet"]
    assert main([*line, "--threads", "1", "--pipeline", str(tiny_pipeline)]) == OK
    content = json.loads((out / "field.json").read_text())
    (values,) = content["series"].values()
    assert [one["value"] for one in values] == pytest.approx([0.9, 1.1])


@pytest.mark.usefixtures("one_import")
def test_samples_for_it_are_simulated_in_these_fields(tmp_path: Path) -> None:
    pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")
    gun = ParticleGun(particles=5)
    samples = sample_settings("field", [0.9, 1.1], pileup=0.0, hard="none", gun=gun)
    sources = simulate_samples("field", samples, 1, tmp_path, HERE, lambda: None)
    assert [source.read().field for source in sources] == [solenoid(0.9), solenoid(1.1)]
    factors = [setting_of(source.path.parent, "field") for source in sources]
    assert factors == pytest.approx([0.9, 1.1])
