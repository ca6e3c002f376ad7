"""Fixtures shared by all tests."""

import functools
import multiprocessing
import os
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from tests.once import each_kernel_compiled_once, made_once, place_of_all

from forked import PRELOADED
from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event, HitTable, ParticleTable, TruthTable
from hitgraph.search.locks import locked

if not Path("/dev/nvidia0").exists():  # no GPU: Triton reads it when it is first imported
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """The processes of pytest-xdist collect in turn: the next reads what one has compiled."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    with locked(Path(session.config.option.basetemp).parent / "collecting"):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that none of them is what everybody waits for."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session", autouse=True)
def _heed_ctrl_c() -> None:
    """A shell starts background jobs with Ctrl-C ignored, which tests of Ctrl-C cannot have."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _compile_each_kernel_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    with each_kernel_compiled_once(place_of_all(tmp_path_factory) / "kernels"):
        yield


@pytest.fixture(autouse=True)
def _keep_thread_number() -> Iterator[None]:
    """Commands set the number of threads of the process; sums of later tests depend on it."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else None
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(before or int(os.environ.get("OMP_NUM_THREADS", "1")))


@pytest.fixture(scope="session", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """Where to try torch's operations: on the CPU, and on a GPU if there is one.

    `pytest -m gpu` takes the GPU alone. The CPU needs the backend "plain" besides.
    """
    import torch

    place: str = request.param
    if place == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return place


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real TrackML event; tests skip where it is not given."""
    folder = os.environ.get("HITGRAPH_TEST_DATA")
    if not folder:
        pytest.skip("HITGRAPH_TEST_DATA is not set: no real TrackML event to test on")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"HITGRAPH_TEST_DATA={folder} is not a folder")
    return path


@pytest.fixture(scope="session")
def make_event() -> Callable[..., Event]:
    """Factory of small events: make_event(n_particles=5, n_noise=4, seed=0).

    Four barrel layers at r = 30, 70, 120, 180 mm of flat pixel modules around a 2 T field along
    z; particles of pT 0.4 to 3 GeV from near the origin, each crossing every layer; noise hits at
    random places. Cells are the channels under the straight path through the module, their
    charge the path length in mm.
    """
    return _make_event


@pytest.fixture(scope="session")
def tiny_event(make_event: Callable[..., Event]) -> Event:
    """One small event with everything: detector, cells, particles, truth."""
    return make_event()


@pytest.fixture(scope="session")
def tiny_store(make_event: Callable[..., Event], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the events of tests.trained: three to train, two to validate, one more."""
    from tests.trained import training_events, write_store

    events = training_events(make_event)
    return made_once(tmp_path_factory, "tiny-store", lambda folder: write_store(folder, events))


@pytest.fixture(scope="session")
def tiny_pipeline(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a pipeline trained by the recipe of tests.trained. Do not write into it."""
    from tests.trained import tiny_recipe, train_quietly

    return made_once(
        tmp_path_factory,
        "tiny-pipeline",
        lambda folder: train_quietly(tiny_recipe(), tiny_store, folder),
    )


@pytest.fixture
def unseen(tiny_store: Path) -> Event:
    """An event like those of the training of tiny_pipeline, which took no part in it."""
    from hitgraph.event.source import list_events

    return list_events([tiny_store])[-1].read()


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a small Dask cluster in this process."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as local:
            yield local.scheduler_address


@pytest.fixture
def one_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are spawned come from one that has imported everything: each saves seconds.

    How they are spawned otherwise, and what of the environment they get, is for tests without it.
    """
    get_context = multiprocessing.get_context
    server = get_context("forkserver")
    server.set_forkserver_preload([*PRELOADED, "pytest", "tests.preloaded"])
    monkeypatch.setattr(
        multiprocessing,
        "get_context",
        lambda method=None: server if method == "spawn" else get_context(method),
    )


@pytest.fixture(scope="session")
def assert_same_event() -> Callable[[Event, Event], None]:
    """Fails unless two events have one name, field, tables, dtypes and values, bit for bit."""
    return _assert_same_event


def _assert_same_event(left: Event, right: Event) -> None:
    assert (left.name, left.field) == (right.name, right.field)
    for name in ("hits", "cells", "particles", "truth", "clusters", "spacepoints", "detector"):
        one, other = getattr(left, name), getattr(right, name)
        assert type(one) is type(other), name
        for field in fields(one) if one is not None else ():
            values, others = getattr(one, field.name), getattr(other, field.name)
            if field.name == "field" or values is None:
                assert values == others
                continue
            assert values.dtype == others.dtype, f"{name}.{field.name}"
            np.testing.assert_array_equal(values, others, f"{name}.{field.name}")


RADII, PHI_MODULES, Z_ROWS = (30.0, 70.0, 120.0, 180.0), (8, 16, 24, 36), 7
HALF_V, HALF_THICKNESS, PITCH_U, PITCH_V = 36.0, 0.15, 0.05, 0.05625  # mm
FIELD = 2.0  # Tesla


@functools.cache
def _tiny_detector() -> Detector:
    rows = []
    for layer, (radius, n_phi) in enumerate(zip(RADII, PHI_MODULES, strict=True), start=1):
        for module in range(n_phi * Z_ROWS):
            phi = 2 * np.pi * (module % n_phi) / n_phi
            z = 2 * HALF_V * (module // n_phi - (Z_ROWS - 1) / 2)
            centre = (radius * np.cos(phi), radius * np.sin(phi), z)
            outward = (np.cos(phi), np.sin(phi), 0.0)
            rotation = np.stack([(-np.sin(phi), np.cos(phi), 0.0), (0.0, 0.0, 1.0), outward], 1)
            rows.append((2 * layer, module + 1, centre, rotation, radius * np.tan(np.pi / n_phi)))
    layer_id, module_id, centre, rotation, half_u = map(np.array, zip(*rows, strict=True))
    n_modules = len(rows)
    return Detector(
        volume_id=np.full(n_modules, 8, np.int32),
        layer_id=layer_id.astype(np.int32),
        module_id=module_id.astype(np.int32),
        centre=centre,
        rotation=rotation,
        half_thickness=np.full(n_modules, HALF_THICKNESS),
        min_half_u=half_u,
        max_half_u=half_u,
        half_v=np.full(n_modules, HALF_V),
        pitch_u=np.full(n_modules, PITCH_U),
        pitch_v=np.full(n_modules, PITCH_V),
    )


def _crossing(
    radius: float, vertex: np.ndarray, momentum: np.ndarray, charge: int
) -> tuple[np.ndarray, np.ndarray]:
    """Point at `radius` from the vertex's axis, and momentum there, of a helix in the field."""
    pt = np.hypot(momentum[0], momentum[1])
    curvature = -charge * 0.3e-3 * FIELD / pt  # rad per mm; positive charge turns clockwise
    turn = 2 * np.arcsin(abs(curvature) * radius / 2) * np.sign(curvature)
    phi = np.arctan2(momentum[1], momentum[0])
    length = turn / curvature  # in the transverse plane
    chord = phi + turn / 2
    step = [radius * np.cos(chord), radius * np.sin(chord), length * momentum[2] / pt]
    there = [pt * np.cos(phi + turn), pt * np.sin(phi + turn), momentum[2]]
    return vertex + step, np.array(there)


def _local_cells(
    detector: Detector, module: int, point: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Channels (n_cells, 2) under the path through the module, and path length in each."""
    turn = detector.rotation[module]
    u, v, _ = turn.T @ (point - detector.centre[module])
    du, dv, dw = turn.T @ direction
    steps = np.linspace(-HALF_THICKNESS, HALF_THICKNESS, 101)[:-1] + HALF_THICKNESS / 100
    ch0 = np.floor((u + steps * du / dw + detector.max_half_u[module]) / PITCH_U)
    ch1 = np.floor((v + steps * dv / dw + HALF_V) / PITCH_V)
    ch0 = np.clip(ch0, 0, 2 * detector.max_half_u[module] // PITCH_U - 1)
    ch1 = np.clip(ch1, 0, 2 * HALF_V // PITCH_V - 1)
    length = 2 * HALF_THICKNESS * np.linalg.norm(direction) / abs(dw)
    channels, counts = np.unique(np.stack([ch0, ch1], 1), axis=0, return_counts=True)
    return channels.astype(np.int32), counts / len(steps) * length


def _make_event(n_particles: int = 5, n_noise: int = 4, seed: int = 0) -> Event:
    rng = np.random.default_rng(seed)
    detector = _tiny_detector()
    layer_start = np.searchsorted(detector.layer_id, [2, 4, 6, 8])
    particles, hits = [], []
    for particle in range(n_particles):
        particle_id = (particle + 1) * 2**52 + 1  # no float can hold it
        pt, phi = rng.uniform(0.4, 3.0), rng.uniform(-np.pi, np.pi)
        momentum = pt * np.array([np.cos(phi), np.sin(phi), np.sinh(rng.uniform(-0.8, 0.8))])
        vertex = rng.normal(0, [0.01, 0.01, 10.0])
        charge = int(rng.choice([-1, 1]))
        particles.append((particle_id, -211 * charge, *vertex, *momentum, charge, len(RADII)))
        for layer, radius in enumerate(RADII):
            point, there = _crossing(radius, vertex, momentum, charge)
            hits.append((layer, point, there, particle_id))
    for _ in range(n_noise):
        layer = int(rng.integers(len(RADII)))
        phi, z = rng.uniform(-np.pi, np.pi), rng.uniform(-200, 200)
        point = np.array([RADII[layer] * np.cos(phi), RADII[layer] * np.sin(phi), z])
        hits.append((layer, point, np.array([point[0], point[1], 0.0]) / RADII[layer], 0))

    modules, measured, cells, truth = [], [], [], []
    for row in rng.permutation(len(hits)):
        layer, point, direction, particle_id = hits[row]
        n_phi = PHI_MODULES[layer]
        column = round(np.arctan2(point[1], point[0]) / (2 * np.pi / n_phi)) % n_phi
        z_row = int(np.clip(np.floor(point[2] / (2 * HALF_V) + Z_ROWS / 2), 0, Z_ROWS - 1))
        module = layer_start[layer] + z_row * n_phi + column
        # from the cylinder onto the module's plane, along the path
        turn, centre = detector.rotation[module], detector.centre[module]
        w, dw = turn[:, 2] @ (point - centre), turn[:, 2] @ direction
        point = point - direction * w / dw
        channels, charge = _local_cells(detector, module, point, direction)
        hit_id = len(modules) + 1
        cells += [(hit_id, *pair, value) for pair, value in zip(channels, charge, strict=True)]
        modules.append(module)
        measured.append(point + turn[:, :2] @ rng.normal(0, 0.005, 2))
        truth.append((hit_id, particle_id, *point, *direction))
    hit_id = np.arange(1, len(hits) + 1, dtype=np.int64)
    made_by = np.array([particle_id for _, particle_id, *_ in truth], np.int64)
    x, y, z = np.array(measured, np.float32).reshape(-1, 3).T.copy()
    return Event(
        name=f"event{1000 + seed:09d}",
        hits=HitTable(
            hit_id,
            x,
            y,
            z,
            detector.volume_id[modules],
            detector.layer_id[modules],
            detector.module_id[modules],
        ),
        cells=CellTable(*_columns(cells, (np.int64, np.int32, np.int32, np.float32))),
        particles=ParticleTable(
            *_columns(particles, (np.int64, np.int32, *[np.float32] * 6, np.int32, np.int32))
        ),
        truth=TruthTable(
            hit_id,
            made_by,
            *_columns([row[2:] for row in truth], [np.float32] * 6),
            weight=((made_by != 0) / max(1, (made_by != 0).sum())).astype(np.float32),
        ),
        detector=detector,
    )


def _columns(rows: list, dtypes: Sequence[type]) -> list[np.ndarray]:
    if not rows:
        return [np.empty(0, dtype) for dtype in dtypes]
    return [
        np.array(column, dtype)
        for column, dtype in zip(zip(*rows, strict=True), dtypes, strict=True)
    ]
