"""hitgraph info and hitgraph convert, and the arguments they share with other commands."""

import argparse
import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.event.strips import strip_detector, strip_event

from hitgraph.cli import main
from hitgraph.cli.arguments import EVERY_NUMBER, add_events, parse_range
from hitgraph.event.event import Event
from hitgraph.event.field import constant, solenoid
from hitgraph.event.source import list_events, read_event
from hitgraph.event.space_points import event_of_clusters
from hitgraph.event.store import read_dataset_info, write_dataset_info, write_detectors, write_event
from hitgraph.event.summary import summarise
from hitgraph.event.trackml import write_trackml

INFO = {"preset": "plain", "seed": 7, "settings": {"pileup": 20.0, "gun": None}, "events": [1000]}


@pytest.fixture
def events(make_event):
    """Three events, numbers 1000 to 1002, in 2 T."""
    return [replace(make_event(seed=seed), field=constant(2)) for seed in range(3)]


@pytest.fixture
def store(tmp_path, events) -> Path:
    folder = tmp_path / "store"
    for event in events:
        write_event(event, folder)
    write_detectors(events[0].detector, folder)
    write_dataset_info(folder, INFO)
    return folder


def _spoil(store: Path, name: str) -> None:
    path = store / f"{name}.hits.parquet"
    path.write_bytes(path.read_bytes()[:100])


# ---------------------------------------------------------------- info


def test_info_tells_what_is_in_a_store(store, events, tmp_path, capsys):
    report = tmp_path / "info.json"
    assert main(["info", str(store), "--json", str(report)]) == 0
    shown = capsys.readouterr().out
    assert "preset plain, seed 7, settings.pileup 20.0" in shown
    assert "3 events" in shown
    assert all(event.name in shown for event in events)

    content = json.loads(report.read_text())
    assert content["datasets"] == {str(store): INFO}
    assert content["failed"] == {}
    first, event = content["events"][0], events[0]
    truth, particles = event.truth, event.particles
    assert first["event"] == event.name
    assert (first["hits"], first["cells"], first["particles"]) == (24, len(event.cells), 5)
    assert first["noise_fraction"] == pytest.approx(4 / 24)
    assert first["weight_sum"] == pytest.approx(truth.weight.sum(), abs=1e-6)
    assert first["hits_per_volume"] == {"8": 24}
    pt = np.hypot(particles.px, particles.py)
    counts = {str(cut): int((pt > cut).sum()) for cut in (0.1, 0.5, 1.0)}
    assert first["particles_above_pt"] == counts
    assert first["modules"] == event.detector.n_modules
    sizes = sum(path.stat().st_size for path in store.glob(f"{event.name}.*"))
    assert first["bytes"] == sizes


def test_info_counts_only_charged_particles_in_the_acceptance(make_event):
    event = make_event(n_particles=3)
    particles = replace(
        event.particles,
        px=np.array([1, 1, 1], np.float32),
        py=np.zeros(3, np.float32),
        pz=np.sinh([3.9, 4.1, 0]).astype(np.float32),
        q=np.array([1, 1, 0], np.int32),
    )
    summary = summarise(replace(event, particles=particles))
    assert summary.particles_above_pt == {0.1: 1, 0.5: 1, 1.0: 0}


def test_info_of_hits_alone(tmp_path, events, capsys):
    write_event(Event(events[0].name, events[0].hits), tmp_path)
    assert main(["info", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "detectors table: none" in shown
    assert f"{events[0].name}.hits.parquet" in shown


def test_info_reports_a_bad_event_and_goes_on(store, events, tmp_path, capsys):
    _spoil(store, events[1].name)
    report = tmp_path / "info.json"
    assert main(["info", str(store), "--json", str(report)]) == 1
    captured = capsys.readouterr()
    assert f"{events[1].name}.hits.parquet: not a parquet file, or damaged" in captured.err
    assert events[2].name in captured.out
    content = json.loads(report.read_text())
    assert [event["event"] for event in content["events"]] == [events[0].name, events[2].name]
    assert list(content["failed"]) == [str(store / events[1].name)]


def test_info_of_nothing_cannot_start(tmp_path, capsys):
    assert main(["info", str(tmp_path)]) == 2
    assert "hitgraph info: " in capsys.readouterr().err


def test_quiet_info_writes_nothing(store, capsys):
    assert main(["info", str(store), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_quiet_info_still_warns_of_the_data(store, capsys, monkeypatch):
    path = store / "event000001000.cells.parquet"
    pq.write_table(pq.read_table(path).slice(0, 3), path)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a process of its own
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    assert main(["info", str(store), "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert f"have no cells in {path}" in said.err


def test_long_lists_are_cut_short_but_not_in_json(tmp_path, make_event, capsys):
    for seed in range(23):
        write_event(make_event(n_particles=1, n_noise=0, seed=seed), tmp_path)
    assert main(["info", str(tmp_path), "--json", str(tmp_path / "info.json")]) == 0
    shown = capsys.readouterr().out
    assert "3 more" in shown
    assert "mean of 23" in shown
    assert len(json.loads((tmp_path / "info.json").read_text())["events"]) == 23


@pytest.mark.parametrize("command", ["info", "convert"])
def test_help_shows_an_example_and_nothing_heavy_is_imported(command):
    code = (
        "import sys; from hitgraph.cli import main\n"
        f"try: main(['{command}', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'numba', 'numpy', 'pyarrow', 'rich'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"\n    hitgraph {command} " in done.stdout


def test_info_imports_no_torch(store):
    code = (
        "import sys; from hitgraph.cli import main\n"
        f"main(['info', {str(store)!r}])\n"
        "assert not {'torch', 'numba', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


# ---------------------------------------------------------------- convert


@pytest.mark.parametrize("form", [["trackml"], ["trackml", "--gzip"]])
def test_convert_there_and_back(store, events, tmp_path, form, assert_same_event):
    csv, back = tmp_path / "csv", tmp_path / "back"
    assert main(["convert", str(store), "--out", str(csv), "--to", *form]) == 0
    assert main(["convert", str(csv), "--out", str(back), "--to", "parquet"]) == 0
    for folder in (csv, back):
        for source, event in zip(list_events([folder]), events, strict=True):
            assert_same_event(source.read(), event)
        assert read_dataset_info(folder) == INFO
    for path in store.glob("*.parquet"):
        assert (back / path.name).read_bytes() == path.read_bytes()


def test_convert_chooses_events(store, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["convert", str(store), "--to", "trackml", "--out", str(out), "--events", "1001"]
    assert main(words) == 0
    assert "1 events written" in capsys.readouterr().out
    assert [source.number for source in list_events([out])] == [1001]


def test_convert_keeps_volumes(store, tmp_path, events, capsys):
    words = ["convert", str(store), "--to", "parquet", "--out"]
    assert main([*words, str(tmp_path / "out"), "--volumes", "8", "9"]) == 0
    volumes = [set(event.hits.volume_id.tolist()) for event in events]
    assert volumes == [{8}] * 3
    assert [source.read().n_hits for source in list_events([tmp_path / "out"])] == [
        event.n_hits for event in events
    ]
    assert read_dataset_info(tmp_path / "out") == INFO | {"volumes": [8, 9]}
    assert main([*words, str(tmp_path / "none"), "--volumes", "13"]) == 1
    assert "volume 13; there are hits in 8" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "none"), "--volumes", "8"]) == 0


@pytest.mark.parametrize("again", ["--resume", "--force"])
def test_convert_mixes_no_volumes(store, tmp_path, capsys, again):
    words = ["convert", str(store), "--to", "parquet", "--out", str(tmp_path / "out"), "--events"]
    assert main([*words, "1000", "--volumes", "8", "9"]) == 0
    assert main([*words, "1001", "--volumes", "8", again]) == 2
    said = capsys.readouterr().err
    assert "have the hits of the volumes 8 9, these would have those of 8: give another" in said
    assert main([*words, "1001", again]) == 2
    assert "those of all" in capsys.readouterr().err
    assert read_dataset_info(tmp_path / "out") == INFO | {"volumes": [8, 9]}
    assert main([*words, "1000:1002", "--volumes", "9", "8", "8", again]) == 0


def test_convert_puts_folders_together_that_were_made_alike(store, tmp_path, events, capsys):
    other, out = tmp_path / "other", tmp_path / "out"
    write_event(replace(events[0], name="event000001003"), other)
    write_detectors(events[0].detector, other)
    write_dataset_info(other, INFO | {"events": [1003]})
    words = ["convert", str(store), str(other), "--to", "parquet", "--out", str(out)]
    assert main(words) == 0
    assert read_dataset_info(out) == INFO | {"events": [1003, 1000]}
    write_dataset_info(other, INFO | {"seed": 8})
    assert main([*words, "--force"]) == 2
    said = capsys.readouterr().err
    assert f"{store / 'dataset.json'}: its seed differs from that of {other}, and" in said
    assert said.count("\n") == 1


def test_convert_shares_the_work(store, tmp_path, events, assert_same_event):
    out = tmp_path / "out"
    words = ["convert", str(store), "--to", "trackml", "--out", str(out), "--workers", "2"]
    assert main(words) == 0
    for source, event in zip(list_events([out]), events, strict=True):
        assert_same_event(source.read(), event)


def test_convert_reports_a_bad_event_and_resumes(store, events, tmp_path, capsys):
    out, path = tmp_path / "out", store / f"{events[1].name}.hits.parquet"
    good = path.read_bytes()
    _spoil(store, events[1].name)
    words = ["convert", str(store), "--to", "trackml", "--out", str(out), "--resume"]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert f"failed {store / events[1].name}: " in captured.err
    assert "2 events written" in captured.out
    assert not list(out.glob(f"{events[1].name}*"))

    path.write_bytes(good)
    before = {file.name: file.stat().st_mtime_ns for file in out.glob("event*")}
    assert main(words) == 0
    assert "1 events written" in capsys.readouterr().out
    assert all((out / name).stat().st_mtime_ns == time for name, time in before.items())


def test_convert_writes_over_events_only_with_force(store, tmp_path, events, capsys):
    out = tmp_path / "out"
    words = ["convert", str(store), "--to", "trackml", "--out", str(out)]
    assert main([*words, "--events", "1001", "--quiet"]) == 0
    for path in out.iterdir():
        os.utime(path, ns=(0, 0))  # long ago, whatever the clock's ticks are
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"{out}: holds {events[1].name} already: --resume" in said
    assert all(path.stat().st_mtime_ns == 0 for path in out.iterdir())
    assert main([*words, "--force"]) == 0
    assert len(list_events([out])) == 3
    assert (out / f"{events[1].name}-hits.csv").stat().st_mtime_ns > 0


@pytest.mark.parametrize("more", [[], ["--force"], ["--resume"]])
def test_convert_does_not_mix_detectors(store, tmp_path, make_event, capsys, more):
    out, other = tmp_path / "out", make_event(seed=9)
    assert main(["convert", str(store), "--to", "parquet", "--out", str(out), "--quiet"]) == 0
    before = (out / "detectors.parquet").read_bytes()
    write_event(other, tmp_path / "other")
    write_detectors(replace(other.detector, half_v=other.detector.half_v * 2), tmp_path / "other")
    words = ["convert", str(tmp_path / "other"), "--to", "parquet", "--out", str(out)]
    assert main([*words, *more]) == 2
    assert "detectors.parquet: is the table of another detector" in capsys.readouterr().err
    assert (out / "detectors.parquet").read_bytes() == before


def test_convert_cannot_start(store, tmp_path, events, capsys):
    out = ["--out", str(tmp_path / "out")]
    copy = tmp_path / "copy"
    write_trackml(events[0], copy)
    assert main(["convert", str(store), str(copy), "--to", "parquet", *out]) == 2
    assert "event000001000 is there twice" in capsys.readouterr().err
    assert main(["convert", str(store), "--to", "parquet", "--gzip", *out]) == 2
    assert "--gzip goes with --to trackml" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(store), "--to", "hdf5", *out])
    assert not (tmp_path / "out").exists()


def test_convert_refuses_two_detectors(store, tmp_path, make_event, capsys):
    other = make_event(seed=9)
    write_event(other, tmp_path / "other")
    moved = replace(other.detector, half_v=other.detector.half_v * 2)
    write_detectors(moved, tmp_path / "other")
    words = ["convert", str(store), str(tmp_path / "other"), "--to", "parquet"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "share one detectors table" in capsys.readouterr().err


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("10:20", (10, 20)),
        ("10:", (10, EVERY_NUMBER[1])),
        (":20", (0, 20)),
        (":", EVERY_NUMBER),
        ("10", (10, 11)),
    ],
)
def test_ranges(text, numbers):
    assert parse_range(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "1:b", "5:5", "7:3", "-3", "1:2:3"])
def test_bad_ranges(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"range of event numbers|no event number"):
        parse_range(text)


def test_events_as_an_option():
    parser = argparse.ArgumentParser()
    add_events(parser, "--truth")
    args = parser.parse_args(["--truth", "a", "b", "--events", "1:3"])
    assert (args.truth, args.events) == ([Path("a"), Path("b")], (1, 3))


def test_a_real_event_through_the_command(shared_data, tmp_path, capsys):
    sample = shared_data / "trackml_sample"
    assert main(["info", str(sample)]) == 0
    shown = capsys.readouterr().out
    assert "5,527" in shown
    assert "0.0513" in shown
    assert main(["convert", str(sample), "--to", "parquet", "--out", str(tmp_path)]) == 0
    assert read_event(tmp_path).n_hits == 5527


@pytest.mark.parametrize("to", ["parquet", "trackml"])
def test_the_field_is_kept_and_shown(to, tmp_path, make_event, capsys):
    event = make_event()
    field = solenoid(-0.5)
    settings = {"pileup": 20.0, "field": field.name}
    write_event(event, tmp_path / "from", {"settings": settings})
    write_detectors(replace(event.detector, field=field), tmp_path / "from")
    write_dataset_info(tmp_path / "from", {"settings": settings})
    out = tmp_path / "out"
    assert main(["convert", str(tmp_path / "from"), "--to", to, "--out", str(out)]) == 0
    assert read_event(out).field == field
    capsys.readouterr()
    report = tmp_path / "info.json"
    assert main(["info", str(out), "--json", str(report)]) == 0
    assert "magnetic field: solenoid:-0.5" in capsys.readouterr().out
    assert json.loads(report.read_text())["events"][0]["field"] == "solenoid:-0.5"


def test_a_field_nobody_told_is_shown_as_such(tmp_path, make_event, capsys):
    write_event(make_event(), tmp_path)
    assert main(["info", str(tmp_path)]) == 0
    assert "magnetic field: not told" in capsys.readouterr().out


def test_convert_makes_space_points_of_clusters(tmp_path, capsys):
    write_event(event_of_clusters(strip_event(3)), tmp_path / "clusters")
    words = ["convert", str(tmp_path / "clusters"), "--to", "parquet", "--space-points", "--out"]
    assert main([*words, str(tmp_path / "none")]) == 1
    assert "no detectors table, which tells the sides of modules" in capsys.readouterr().err
    write_detectors(strip_detector(), tmp_path / "clusters")
    assert main([*words, str(tmp_path / "out")]) == 0
    made = read_event(tmp_path / "out")
    assert made.clusters is not None
    assert len(made.clusters) == 3 * 7
    capsys.readouterr()
    assert main(["info", str(tmp_path / "out")]) == 0
    said = "21 clusters an event; hits of two: 27, of which 66.7% are ghosts, and 100.0% of what"
    assert said in capsys.readouterr().out
    assert (made.hits.layer_id > 1).sum() == 3 * 3 * 3
