"""Campaigns on events in every form, and on the tables and notes beside them."""

import tempfile
from pathlib import Path

import numpy as np

from fuzzing.acts import acts_form
from fuzzing.checks import (
    Failure,
    Words,
    only_allowed_loss,
    require_promises,
    require_readable,
    require_same,
)
from fuzzing.damage import Rng, damaged_bytes, damaged_table
from fuzzing.forms import Files, archive_form, csv_form, dataset_form, small_event, store_form
from fuzzing.kind import Kind, damage_one, write_files
from hitgraph.errors import HitgraphError
from hitgraph.event.event import Event
from hitgraph.event.modules import read_detectors
from hitgraph.event.source import list_events
from hitgraph.event.store import read_dataset_info

ARCHIVES = ("zip", "tar.gz", "tar.bz2", "tar.xz")
EVENT_KINDS = ("parquet", "csv.gz", *ARCHIVES, "csv", "acts")
TABLE_KINDS = ("detectors.csv", "detectors.parquet", "dataset.json")


def event_kind(name: str) -> Kind:
    """The kind of that name, one of EVENT_KINDS."""
    event = small_event()
    if name in ARCHIVES:
        files = archive_form(event, name)
        return Kind(files, try_packed_events, _reread(files, f"train.{name}"))
    if name == "parquet":
        files = store_form(event)
    elif name == "acts":
        files = acts_form(event)
    else:
        files = csv_form(event, compress=name == "csv.gz")
    run = try_text_events if name in ("csv", "acts") else try_packed_events
    return Kind(files, run, _reread(files, "."))


def table_kind(name: str) -> Kind:
    """The kind of that name, one of TABLE_KINDS."""
    if name == "dataset.json":
        return Kind(dataset_form(), try_dataset)
    event = small_event()
    every = csv_form(event, compress=False) | store_form(event)
    return Kind({name: every[name]}, try_detectors, (event,), name.endswith("parquet"))


def _reread(files: Files, path: str) -> tuple[Event, ...]:
    with tempfile.TemporaryDirectory() as name:
        write_files(files, Path(name))
        return tuple(source.read() for source in list_events([Path(name) / path]))


def try_packed_events(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    """Forms with check sums: every event is refused or what it was, and none goes missing."""
    write_files(damage_one(kind.files, rng), folder)
    archives = [name for name in kind.files if name.startswith("train.")]
    sources = list_events([folder / name for name in archives] or [folder])
    if len(sources) != len(kind.expected):
        raise Failure(f"silent: {len(sources)} events of {len(kind.expected)}")
    refused = 0
    for source, expected in zip(sources, kind.expected, strict=True):
        try:
            found = source.read()
        except HitgraphError as error:
            require_readable(str(error))
            refused += 1
        else:
            require_same(found, expected)
    return "refused" if refused else "same"


def try_text_events(kind: Kind, folder: Path, rng: Rng, words: Words) -> str:
    """CSV tables: what is read keeps the promises, and what cannot be is refused."""
    name = str(rng.choice(sorted(kind.files)))
    content, treatment = damaged_table(kind.files[name], rng)
    write_files(kind.files | {name: content}, folder)
    (source,) = list_events([folder])
    found = source.read()
    require_promises(found)
    try:
        require_same(found, kind.expected[0])
        return "same"
    except Failure:
        if treatment == "refuse":
            raise Failure(f"silent: {name} with a value that cannot be was read") from None
        if treatment == "same":
            raise Failure(f"silent: {name} in another order or with other line ends") from None
        unsaid = treatment == "say" and not words.said
        if unsaid and not only_allowed_loss(found, kind.expected[0]):
            raise Failure(f"silent: {name} cut short was read without a word") from None
        return "said" if words.said else "read"


def try_detectors(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    write_files(kind.files, folder)
    (name,) = kind.files
    if kind.check_sums:
        content = damaged_bytes(kind.files[name], rng)
        treatment = "same"
    else:
        content, treatment = damaged_table(kind.files[name], rng)
    (folder / name).write_bytes(content)
    found = read_detectors(folder / name)
    same = kind.expected[0].detector is not None and found.same_as(kind.expected[0].detector)
    if not same and treatment in ("same", "refuse"):
        raise Failure("silent: another table of modules was read")
    turned = np.linalg.det(found.rotation)
    if not (np.abs(turned - 1) < 0.01).all():
        raise Failure("guarantee: a module is not turned but mirrored or stretched")
    return "same" if same else "read"


def try_dataset(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    write_files(damage_one(kind.files, rng), folder)
    info = read_dataset_info(folder)
    return "read" if info else "same"
