"""Damage small inputs at random and see that hitgraph says so, or reads what was there before.

    python tools/fuzz.py --tries 2000 --seed 1                # every kind of input in turn
    python tools/fuzz.py --tries 5000 --kinds zip tar.gz --keep /tmp/failures

Try number i of a seed is the same everywhere. Exit status 0: nothing failed. A try fails where

    traceback   anything but a message of hitgraph came out
    message     the message is longer than a screen, or has characters that a terminal obeys
    silent      a form that carries check sums was read as something else, or a value that cannot
                be was accepted, or a table cut short was read without a word
    guarantee   an event breaks what hitgraph.event.event.Event promises
    crash, hang the process died, or took longer than --seconds
"""

import argparse
import bz2
import contextlib
import dataclasses
import gzip
import io
import json
import logging
import lzma
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import hitgraph
from hitgraph.errors import HitgraphError
from hitgraph.event.checks import RANGES, TABLES
from hitgraph.event.event import Event
from hitgraph.event.modules import read_detectors
from hitgraph.event.rows import select_hits, take_rows
from hitgraph.event.source import list_events
from hitgraph.event.store import read_dataset_info, write_dataset_info, write_detectors, write_event
from hitgraph.event.trackml import write_detectors_csv, write_trackml

PACKAGE = Path(hitgraph.__file__).parent
LONGEST_MESSAGE = 2000
MEMORY = 6 << 30  # bytes of addresses; a small table needs a thousandth
SILENT_SHARE = 0.03  # of hits that may lack cells or simulated hits without a word
IMPOSSIBLE = ("nan", "inf", "-inf", "1e30", "-1e30", "", "left", "1_0", "--1", "1e400")

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zip": bytes,
    "tar.gz": lambda data: gzip.compress(data, mtime=0),
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}

Files = dict[str, bytes]
Rng = np.random.Generator


class Failure(Exception):
    """A try that did not go as it has to; the first word says how."""


# ---------------------------------------------------------------- inputs


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


def _store(event: Event) -> Files:
    assert event.detector is not None
    detector = event.detector

    def write(folder: Path) -> None:
        write_event(event, folder)
        write_detectors(detector, folder)

    return _in_folder(write)


def _csv(event: Event, compress: bool) -> Files:
    assert event.detector is not None
    detector = event.detector

    def write(folder: Path) -> None:
        write_trackml(event, folder, compress)
        write_detectors_csv(detector, folder / ("detectors.csv" + ".gz" * compress))

    return _in_folder(write)


def _archive(event: Event, form: str) -> Files:
    other = dataclasses.replace(event, name="event000000002")
    files = _csv(event, compress=False) | _csv(other, compress=False)
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


def _acts(event: Event) -> Files:
    """The event as the CSV writers of ACTS would leave it."""
    hits, cells, truth, particles = event.hits, event.cells, event.truth, event.particles
    assert cells is not None
    assert truth is not None
    assert particles is not None
    row = {hit: k for k, hit in enumerate(hits.hit_id.tolist())}
    identifier = [
        (int(v) << 56) | (int(layer) << 36) | (int(m) << 8)
        for v, layer, m in zip(hits.volume_id, hits.layer_id, hits.module_id, strict=True)
    ]
    number = {int(p): k + 1 for k, p in enumerate(particles.particle_id)}
    real = np.flatnonzero(truth.particle_id != 0).tolist()
    tables: dict[str, tuple[str, Iterator[str]]] = {
        "measurements": (
            "measurement_id,geometry_id,local0,local1,global_x,global_y,global_z",
            (
                f"{k},{identifier[k]},0,0,{hits.x[k]!s},{hits.y[k]!s},{hits.z[k]!s}"
                for k in range(len(hits))
            ),
        ),
        "cells": (
            "measurement_id,channel0,channel1,value",
            (
                f"{row[int(h)]},{a},{b},{value!s}"
                for h, a, b, value in zip(
                    cells.hit_id, cells.ch0, cells.ch1, cells.value, strict=True
                )
            ),
        ),
        "measurement-simhit-map": (
            "measurement_id,hit_id",
            (f"{k},{at}" for at, k in enumerate(real)),
        ),
        "hits": (
            "particle_id,geometry_id,tx,ty,tz,tpx,tpy,tpz",
            (
                f"{number[int(truth.particle_id[k])]},{identifier[k]},{truth.tx[k]!s},"
                f"{truth.ty[k]!s},{truth.tz[k]!s},{truth.tpx[k]!s},{truth.tpy[k]!s},"
                f"{truth.tpz[k]!s}"
                for k in real
            ),
        ),
        "particles_simulated": (
            "particle_id,particle_type,vx,vy,vz,px,py,pz,q",
            (
                f"{k + 1},{p.particle_type[k]},{p.vx[k]!s},{p.vy[k]!s},{p.vz[k]!s},{p.px[k]!s},"
                f"{p.py[k]!s},{p.pz[k]!s},{p.q[k]}"
                for p in (particles,)
                for k in range(len(p))
            ),
        ),
    }
    return {
        f"{event.name}-{name}.csv": "\n".join([header, *lines, ""]).encode()
        for name, (header, lines) in tables.items()
    }


def _recipe() -> Files:
    return {"recipe.yaml": (PACKAGE / "pretrained" / "quickstart" / "pipeline.yaml").read_bytes()}


def _pipeline() -> Files:
    folder = PACKAGE / "pretrained" / "quickstart"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _dataset(_event: Event) -> Files:
    info = {"preset": "plain", "seed": 7, "settings": {"pileup": 20.0, "card": []}, "events": [1]}
    return _in_folder(lambda folder: write_dataset_info(folder, info))


# ---------------------------------------------------------------- damage


def damaged_bytes(data: bytes, rng: Rng) -> bytes:
    """One to three places changed, cut out, doubled, put in, or all behind cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if not changed:
            break
        at, length = int(rng.integers(len(changed))), int(2 ** rng.uniform(0, 8))
        change = rng.integers(9)
        if change in (0, 1, 7, 8):
            changed[at] ^= 1 << int(rng.integers(8))
        elif change == 2:
            changed[at] = int(rng.integers(256))
        elif change == 3:
            del changed[at : at + length]
        elif change == 4:
            changed[at:at] = changed[at : at + length]
        elif change == 5:
            changed[at : at + length] = rng.bytes(length)
        else:
            del changed[at:]
    return bytes(changed)


def damaged_table(data: bytes, rng: Rng) -> tuple[bytes, str]:
    """A CSV table changed as people and full disks change it, and how it has to be met.

    "refuse": the table must be refused; "say": refused, spoken of, or read as it was; "any".
    """
    lines = data.decode().splitlines()
    change = rng.integers(9)
    row = int(rng.integers(1, max(2, len(lines))))
    cells = lines[min(row, len(lines) - 1)].split(",")
    column = int(rng.integers(len(cells)))
    if change <= 1 and row < len(lines):
        cells[column] = str(rng.choice(IMPOSSIBLE))
        lines[row] = ",".join(cells)
        return ("\n".join(lines) + "\n").encode(), "refuse"
    if change == 2:
        return data[: int(rng.integers(len(data)))], "say"
    if change == 3:
        return damaged_bytes(data, rng), "any"
    if change == 4:
        order = rng.permutation(np.arange(1, len(lines)))
        return "\n".join([lines[0], *(lines[k] for k in order), ""]).encode(), "same"
    if change == 5:
        end = str(rng.choice(["\r", "\r\n", "\n\n"]))
        return (end.join(lines) + end).encode(), "same"
    if change == 6 and row < len(lines):
        return "\n".join([*lines[:row], lines[row], *lines[row:], ""]).encode(), "any"
    if change == 7:
        return "\n".join([*lines[:1], ""]).encode(), "say"
    names = lines[0].split(",")
    names[column % len(names)] = str(rng.choice(["", "x", "hit_id", "\udcff", "weight"]))
    return "\n".join([",".join(names), *lines[1:], ""]).encode("utf-8", "surrogateescape"), "any"


# ---------------------------------------------------------------- what has to hold


def require_same(found: Event, expected: Event) -> None:
    for table in (*TABLES, "detector"):
        one, other = getattr(found, table), getattr(expected, table)
        if (one is None) != (other is None):
            raise Failure(f"silent: table {table} is {'gone' if one is None else 'new'}")
        for field in dataclasses.fields(one) if one is not None else ():
            if not np.array_equal(getattr(one, field.name), getattr(other, field.name)):
                raise Failure(f"silent: {table}.{field.name} changed")


def require_promises(event: Event) -> None:
    """What Event's docstring says, in the plainest way."""
    hits, known = event.hits, set(event.hits.hit_id.tolist())
    if len(known) != len(hits) or (np.diff(hits.hit_id) <= 0).any():
        raise Failure("guarantee: hit_id is not unique and rising")
    for table in TABLES:
        columns = getattr(event, table)
        for field in dataclasses.fields(columns) if columns is not None else ():
            values = getattr(columns, field.name)
            low, high, _ = RANGES[table].get(field.name, (-np.inf, np.inf, ""))
            if not (np.isfinite(values).all() and (values >= low).all() and (values <= high).all()):
                raise Failure(f"guarantee: {table}.{field.name} is out of its range")
    if event.cells is not None and not known.issuperset(event.cells.hit_id.tolist()):
        raise Failure("guarantee: a cell of no hit")
    if event.truth is not None:
        if not np.array_equal(event.truth.hit_id, hits.hit_id):
            raise Failure("guarantee: truth is not that of the hits")
        if event.particles is not None:
            makers = set(event.truth.particle_id.tolist()) - {0}
            if not makers.issubset(event.particles.particle_id.tolist()):
                raise Failure("guarantee: a hit of an unknown particle")


def _only_allowed_loss(found: Event, expected: Event) -> bool:
    """Whether a table lost only what no reader can miss: cells or the truth of a few hits."""
    few = SILENT_SHARE * len(expected.hits)
    for table in ("hits", "cells", "truth"):
        if getattr(found, table) is None:
            return False
    assert found.truth is not None
    assert expected.truth is not None
    assert found.cells is not None
    assert expected.cells is not None
    without = len(np.setdiff1d(expected.cells.hit_id, found.cells.hit_id))
    other = found.truth.particle_id != expected.truth.particle_id
    if without > few or other.sum() > few or found.truth.particle_id[other].any():
        return False
    # weights and counts of hits follow from what is lost
    given = {"cells": expected.cells} | (
        {"truth": expected.truth, "particles": expected.particles} if other.any() else {}
    )
    with contextlib.suppress(Failure):
        require_same(dataclasses.replace(found, **given), expected)
        return True
    return False


class Words(logging.Handler):
    """Whether anything was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said = False

    def emit(self, record: logging.LogRecord) -> None:
        require_readable(record.getMessage())
        self.said = True


def require_readable(message: str) -> None:
    if len(message) > LONGEST_MESSAGE:
        raise Failure(f"message: has {len(message)} characters")
    if not message.replace("\n", "").isprintable():
        raise Failure(f"message: {message!r}")


# ---------------------------------------------------------------- the kinds of input


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of input: its files undamaged, and a try on damaged ones in a folder."""

    files: Files
    run: Callable[["Kind", Path, Rng, Words], str]
    expected: tuple[Event, ...] = ()
    check_sums: bool = True


def _write(files: Files, folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _damage_one(files: Files, rng: Rng) -> Files:
    name = str(rng.choice(sorted(files)))
    return files | {name: damaged_bytes(files[name], rng)}


def try_packed_events(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    """Forms with check sums: every event is refused or what it was, and none goes missing."""
    _write(_damage_one(kind.files, rng), folder)
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
    _write(kind.files | {name: content}, folder)
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
        if unsaid and not _only_allowed_loss(found, kind.expected[0]):
            raise Failure(f"silent: {name} cut short was read without a word") from None
        return "said" if words.said else "read"


def try_detectors(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    _write(kind.files, folder)
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
    _write(_damage_one(kind.files, rng), folder)
    info = read_dataset_info(folder)
    return "read" if info else "same"


def try_recipe(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    from hitgraph.recipe import read_recipe

    _write(_damage_one(kind.files, rng), folder)
    read_recipe(folder / "recipe.yaml")
    return "read"


def try_pipeline(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    """Loading and one event: a message, or labels of the right shape."""
    _write(_damage_one(kind.files, rng), folder)
    pipeline = hitgraph.Pipeline.load(folder)
    event = dataclasses.replace(kind.expected[0], detector=None)
    labels = pipeline.run(event).labels
    if labels.shape != (event.n_hits,):
        raise Failure(f"guarantee: labels of shape {labels.shape}")
    return "read"


TEXT_KINDS = ("csv", "acts", "detectors.csv")
EVENT_KINDS = ("parquet", "csv.gz", "zip", "tar.gz", "tar.bz2", "tar.xz")
READER_KINDS = (*EVENT_KINDS, *TEXT_KINDS, "detectors.parquet", "dataset.json")
KINDS = (*READER_KINDS, "recipe", "pipeline")


def _reread(files: Files, path: str) -> tuple[Event, ...]:
    with tempfile.TemporaryDirectory() as name:
        _write(files, Path(name))
        return tuple(source.read() for source in list_events([Path(name) / path]))


def make_kind(name: str, event: Event) -> Kind:
    if name == "parquet":
        files = _store(event)
        return Kind(files, try_packed_events, _reread(files, "."))
    if name in ("csv", "csv.gz"):
        files = _csv(event, compress=name == "csv.gz")
        run = try_packed_events if name == "csv.gz" else try_text_events
        return Kind(files, run, _reread(files, "."))
    if name in EVENT_KINDS:
        files = _archive(event, name)
        return Kind(files, try_packed_events, _reread(files, f"train.{name}"))
    if name == "acts":
        files = _acts(event)
        return Kind(files, try_text_events, _reread(files, "."))
    if name.startswith("detectors"):
        every = _csv(event, compress=False) | _store(event)
        return Kind({name: every[name]}, try_detectors, (event,), name.endswith("parquet"))
    if name == "dataset.json":
        return Kind(_dataset(event), try_dataset)
    if name == "recipe":
        return Kind(_recipe(), try_recipe)
    return Kind(_pipeline(), try_pipeline, (event,))


# ---------------------------------------------------------------- running


def one_try(kind: Kind, folder: Path, rng: Rng) -> str:
    """How a try went; raises Failure."""
    words = Words()
    logger = logging.getLogger("hitgraph")
    logger.addHandler(words)
    try:
        return kind.run(kind, folder, rng, words)
    except HitgraphError as error:
        require_readable(str(error))
        return "refused"
    except Failure:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        raise Failure(f"traceback: {type(error).__name__}: {error} ({where})") from error
    finally:
        logger.removeHandler(words)


def work(args: argparse.Namespace) -> int:
    """The tries from --first on, each noted in --progress before it starts."""
    logging.getLogger("hitgraph").propagate = False
    event = small_event()
    made = {name: make_kind(name, event) for name in args.kinds}
    if not {"recipe", "pipeline"} & set(args.kinds):  # torch takes addresses without end
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    outcomes: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    for number in range(args.first, args.tries):
        args.progress.write_text(str(number))
        name = args.kinds[number % len(args.kinds)]
        rng = np.random.default_rng([args.seed, KINDS.index(name), number])
        with tempfile.TemporaryDirectory() as folder:
            signal.alarm(args.seconds)
            try:
                outcomes[f"{name} {one_try(made[name], Path(folder), rng)}"] += 1
            except Failure as failure:
                failures.append({"try": number, "kind": name, "why": str(failure)[:500]})
                _keep(Path(folder), args.keep, name, number)
            signal.alarm(0)
        args.report.write_text(json.dumps({"outcomes": outcomes, "failures": failures}))
    return 0


def _keep(folder: Path, keep: Path | None, name: str, number: int) -> None:
    if keep is not None:
        shutil.copytree(folder, keep / f"{name}-{number}", dirs_exist_ok=True)


def run(args: argparse.Namespace) -> int:
    """Workers one after the other: a crash ends one, and the next goes on behind it."""
    outcomes: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        args.progress, args.report = Path(name, "progress"), Path(name, "report")
        first = 0
        while first < args.tries:
            for path in (args.progress, args.report):
                path.write_text("")
            status = subprocess.run(_command(args, first), env=_alone(), check=False).returncode
            done = json.loads(args.report.read_text() or '{"outcomes": {}, "failures": []}')
            outcomes.update(done["outcomes"])
            failures += done["failures"]
            if status == 0:
                break
            reached = args.progress.read_text()
            if not reached:
                raise SystemExit(f"a worker ended with {status} before its first try")
            number = int(reached)
            why = "hang" if status == -signal.SIGALRM else f"crash: status {status}"
            kind = args.kinds[number % len(args.kinds)]
            failures.append({"try": number, "kind": kind, "why": why})
            first = number + 1
    lines = [f"{count:8,} {outcome}" for outcome, count in sorted(outcomes.items())]
    lines += [f"FAILED try {f['try']} ({f['kind']}): {f['why']}" for f in failures]
    total = sum(outcomes.values()) + len(failures)
    lines.append(f"{total:,} tries, {len(failures)} failed (seed {args.seed})")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if failures else 0


def _command(args: argparse.Namespace, first: int) -> list[str]:
    keep = [] if args.keep is None else ["--keep", str(args.keep)]
    numbers = {"--tries": args.tries, "--seed": args.seed, "--seconds": args.seconds}
    options = [text for name, value in numbers.items() for text in (name, str(value))]
    places = ["--progress", str(args.progress), "--report", str(args.report)]
    own = [sys.executable, "-X", "faulthandler", __file__]
    return [*own, *options, *keep, *places, "--first", str(first), "--kinds", *args.kinds]


def _alone() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tries", type=int, default=1000, help="of all kinds (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(READER_KINDS))
    parser.add_argument("--seconds", type=int, default=30, help="that a try may take (default 30)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="copy the inputs that failed here")
    for name in ("--progress", "--report"):  # of the workers
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    return run(args) if args.first is None else work(args)


if __name__ == "__main__":
    sys.exit(main())
