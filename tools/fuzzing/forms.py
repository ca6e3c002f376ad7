"""A small event in the forms of it that hitgraph writes."""

import bz2
import dataclasses
import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import hitgraph
from hitgraph.event.event import Event
from hitgraph.event.rows import select_hits, take_rows
from hitgraph.event.source import list_events
from hitgraph.event.store import write_dataset_info, write_detectors, write_event
from hitgraph.event.trackml import write_detectors_csv, write_trackml

PACKAGE = Path(hitgraph.__file__).parent

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zip": bytes,
    "tar.gz": lambda data: gzip.compress(data, mtime=0),
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}

Files = dict[str, bytes]


def small_event() -> Event:
    """Twelve particles and six hits of noise of the demo event, with a table of their modules."""
    (source,) = list_events([PACKAGE / "demo_event"])
    event = source.read()
    assert event.truth is not None
    assert event.particles is not None
    assert event.detector is not None
    ids, counts = np.unique(event.truth.particle_id, return_counts=True)
    chosen = ids[(ids > 0) & (counts >= 8)][:12]
    noise = np.flatnonzero(event.truth.particle_id == 0)[:6]
    keep = np.isin(event.truth.particle_id, chosen)
    keep[noise] = True
    small = select_hits(event, keep)
    kept = np.isin(event.particles.particle_id, chosen)
    hits, detector = small.hits, event.detector
    rows = np.unique(detector.find_modules(hits.volume_id, hits.layer_id, hits.module_id))
    table = detector.take(rows)
    particles = take_rows(event.particles, kept)
    return dataclasses.replace(small, name="event000000001", particles=particles, detector=table)


def _in_folder(write: Callable[[Path], None]) -> Files:
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        return {path.name: path.read_bytes() for path in sorted(Path(name).iterdir())}


def store_form(event: Event) -> Files:
    assert event.detector is not None
    detector = event.detector

    def write(folder: Path) -> None:
        write_event(event, folder)
        write_detectors(detector, folder)

    return _in_folder(write)


def csv_form(event: Event, compress: bool) -> Files:
    assert event.detector is not None
    detector = event.detector

    def write(folder: Path) -> None:
        write_trackml(event, folder, compress)
        write_detectors_csv(detector, folder / ("detectors.csv" + ".gz" * compress))

    return _in_folder(write)


def archive_form(event: Event, form: str) -> Files:
    other = dataclasses.replace(event, name="event000000002")
    files = csv_form(event, compress=False) | csv_form(other, compress=False)
    buffer = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return {f"train.{form}": PACKERS[form](buffer.getvalue())}


def dataset_form() -> Files:
    info = {"preset": "plain", "seed": 7, "settings": {"pileup": 20.0, "card": []}, "events": [1]}
    return _in_folder(lambda folder: write_dataset_info(folder, info))
