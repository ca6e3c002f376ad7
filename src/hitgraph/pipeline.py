"""A trained pipeline: a list of stages, each a function of what the ones before it leave."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.devices import find_device, find_precision
from hitgraph.domain import Domain
from hitgraph.errors import ContractError, InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.positions import check_positions
from hitgraph.hits import Hits, hits_from_event
from hitgraph.observe import Observer, StageRecord
from hitgraph.pipeline_files import (
    PIPELINE_FILE,
    TENSORS_FILE,
    Content,
    find_pipeline,
    read_folder,
    write_folder,
)
from hitgraph.recipe import START, Recipe, Step
from hitgraph.stage import Context, Stage, class_of, gives_of
from hitgraph.state import State

__all__ = ["Pipeline", "Result", "Timer", "check_detector", "promised", "warn_of_other_field"]

_log = logging.getLogger(__name__)

CENTRE_TOLERANCE = 0.1  # mm, between an event's module table and the pipeline's


@dataclass(frozen=True, eq=False)
class Result:
    """Tracks of one event, and what its stages did."""

    labels: NDArray[np.int64]  # (n_hits,) track of each hit, -1 = none
    stages: tuple[StageRecord, ...]
    state: State  # after the last stage
    kept: Mapping[str, State] = field(default_factory=dict)  # after the stages asked for, by name

    def __repr__(self) -> str:
        hits = f"{len(self.labels)} hits"
        return f"<Result: {self.n_tracks} tracks of {hits} in {self.seconds:.2f} s>"

    @property
    def n_tracks(self) -> int:
        return int(self.labels.max(initial=-1)) + 1

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def hits(self) -> Hits:
        return self.state.hits

    @property
    def edges(self) -> Tensor:
        """(2, n_edges) int64 that the tracks were built from."""
        return self.state.graph()

    @property
    def scores(self) -> Tensor:
        """(n_edges,) float32 scores of the edges, from 0 to 1."""
        return self.state.scores()


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Stages with all that they have learnt, ready to run on one device."""

    recipe: Recipe
    context: Context
    stages: Mapping[str, Stage]  # by name, in the order in which they run
    domain: Domain | None = None  # what its training events were like, where that is known

    def __repr__(self) -> str:
        return f"<Pipeline {self.recipe.name}: {' -> '.join(self.stages)}, on {self.device}>"

    @staticmethod
    def load(name: str | Path, device: str = "cpu", precision: str = "auto") -> "Pipeline":
        """Read a shipped pipeline by name, or a pipeline folder.

        `precision` is one of hitgraph.devices.PRECISIONS: that of the networks on a GPU; geometry,
        sums and logits always have 32 bits. Raises InputError when the pipeline is missing or
        damaged, SettingsError for a device that is not there or cannot compute so.
        """
        place = find_device(device)
        folder = find_pipeline(name)
        content = read_folder(folder)
        context = Context(content.detector, place, find_precision(precision, place))
        stages = {}
        for step in content.recipe.stages:
            try:
                stages[step.name] = step.settings.load(context, content.tensors[step.name])
            except SettingsError as error:
                where = f"{folder / PIPELINE_FILE}: recipe.stages.{step.name}"
                raise InputError(f"{where}.{error}") from error
            except InputError as error:
                raise InputError(f"{folder / TENSORS_FILE}: {step.name}.{error}") from error
        return Pipeline(content.recipe, context, stages, content.domain)

    def save(self, folder: str | Path) -> None:
        """Write pipeline.yaml, the tensors of all stages and the detector into `folder`."""
        tensors = {name: stage.tensors() for name, stage in self.stages.items()}
        write_folder(Path(folder), Content(self.recipe, self.detector, tensors, self.domain))

    @property
    def device(self) -> torch.device:
        return self.context.device

    @property
    def detector(self) -> Detector:
        return self.context.detector

    def rebuilt(self, **changes: Any) -> "Pipeline":
        """The same stages in a context with other fields: detector, precision, backend."""
        context = replace(self.context, **changes)
        stages = {}
        for step in self.recipe.stages:
            tensors = self.stages[step.name].tensors()
            on_host = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
            stages[step.name] = step.settings.load(context, on_host)
        return replace(self, context=context, stages=stages)

    def run(
        self,
        event: Event,
        *,
        keep: Literal["all"] | Sequence[str] = (),
        observers: Sequence[Observer] = (),
    ) -> Result:
        """Find the tracks of one event.

        `keep` names stages whose states are kept in the result ("all": every one; "features": the
        hits alone). `observers` look on: hitgraph.evaluation.judging judges stages by the truth.
        Raises InputError when the event has no cells although the pipeline needs them, or was
        not taken with the pipeline's detector.
        """
        check_detector(event, self.detector)
        warn_of_other_field(event, self.detector)
        wanted = self._wanted(keep)
        timer, kept = Timer(self.device), {}
        everyone = (*observers, timer)
        state: State | None = None
        with torch.inference_mode():
            for name, step in self._steps(event):
                before = state
                with ExitStack() as around:
                    for observer in everyone:
                        around.enter_context(observer.around(name))
                    state = step(before)
                for observer in everyone:
                    observer.after(name, before, state)
                if name in wanted:
                    kept[name] = state
        assert state is not None
        assert state.labels is not None
        return Result(state.labels.cpu().numpy(), tuple(timer.records), state, kept)

    def start(self, event: Event) -> State:
        """What the first stage is given: the hits of an event on the pipeline's device."""
        recipe, context = self.recipe, self.context
        hits = hits_from_event(
            event,
            context.detector,
            recipe.clusters,
            context.device,
            recipe.hit_columns,
            context.backend,
        )
        return State(hits)

    def _steps(self, event: Event) -> Iterator[tuple[str, Callable[[Any], State]]]:
        yield START, lambda _: self.start(event)
        for step in self.recipe.stages:
            yield step.name, promised(step, self.stages[step.name])

    def _wanted(self, keep: str | Sequence[str]) -> frozenset[str]:
        names = (START, *self.stages)
        if keep == "all":
            return frozenset(names)
        wanted = [keep] if isinstance(keep, str) else keep
        for name in wanted:
            if name not in names:
                raise SettingsError(
                    f"keep: {name!r} is no stage of this pipeline; all or any of {', '.join(names)}"
                )
        return frozenset(wanted)


def promised(step: Step, stage: Stage) -> Callable[[State], State]:
    """The stage, held to what its settings say that it gives: raises ContractError."""
    gives = gives_of(step.settings)

    def run(state: State) -> State:
        after = stage(state)
        where = f"stage {step.name} ({class_of(step.settings)})"
        if not isinstance(after, State):
            raise ContractError(f"{where}: __call__ returned {type(after).__name__}, not a State")
        missing = sorted(gives - after.names)
        if missing:
            raise ContractError(f"{where}: gives {', '.join(missing)}, but has not")
        return after

    return run


class Timer(Observer):
    """Notes the wall time of each stage and the edges it leaves."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.records: list[StageRecord] = []
        self._seconds = 0.0

    @contextmanager
    def around(self, name: str) -> Iterator[None]:  # noqa: ARG002
        start = self._now()
        yield
        self._seconds = self._now() - start

    def after(self, name: str, before: State | None, after: State) -> None:
        changed = after.edges is not (None if before is None else before.edges)
        self.records.append(StageRecord(name, self._seconds, after.n_edges if changed else None))

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()  # other events may be in flight
        return time.perf_counter()


def check_detector(event: Event, detector: Detector) -> None:
    """Raise InputError where the event's own module table is not that of `detector`.

    An event without a table has its hits held against `detector`.
    """
    own = event.detector
    if own is None:
        check_positions(event, event.name, detector)
        return
    if own is detector:
        return
    if own.n_modules != detector.n_modules or not np.array_equal(
        own.layer_keys, detector.layer_keys
    ):
        raise InputError(
            f"{event.name}: its detector has {own.n_modules} modules on {own.n_layers} layers, the "
            f"pipeline was trained on {detector.n_modules} modules on {detector.n_layers} layers: "
            "use a pipeline trained on this detector"
        )
    rows = detector.find_modules(own.volume_id, own.layer_id, own.module_id)
    if (rows < 0).any():
        row = int(np.argmax(rows < 0))
        raise InputError(
            f"{event.name}: its detector has volume {own.volume_id[row]}, layer "
            f"{own.layer_id[row]}, module {own.module_id[row]}, the pipeline's does not: "
            "use a pipeline trained on this detector"
        )
    shift = np.abs(own.centre - detector.centre[rows]).max()
    if shift > CENTRE_TOLERANCE:
        raise InputError(
            f"{event.name}: a module of its detector lies {shift:.3g} mm from where the "
            f"pipeline's detector has it (at most {CENTRE_TOLERANCE} mm): give the right table "
            "with --detectors"
        )


def warn_of_other_field(event: Event, detector: Detector) -> None:
    """Log a warning where the event says that it has another field than that of `detector`.

    One for each pair of fields in a process. Tracks are found all the same.
    """
    own, taught = event.field, detector.field
    if own is not None and taught is not None and own != taught:
        _warn_of_other_field(own.name, taught.name)


@cache
def _warn_of_other_field(own: str, taught: str) -> None:
    _log.warning(
        "events in the field %s, but the pipeline was taught in %s: expect fewer and worse tracks",
        own,
        taught,
    )
