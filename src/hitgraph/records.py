"""What the stages of a pipeline did to an event."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hitgraph.evaluation.edges import EdgeTruth, edge_metrics, score_histogram

Watch = Callable[[str], AbstractContextManager[object]]  # entered with a stage's name
Look = Callable[[str, Tensor], None]  # given a stage's name, and the edges or labels it leaves


@dataclass(frozen=True)
class Stage:
    """What one stage did to an event; the quality is known where the event has truth."""

    name: str
    seconds: float  # wall time
    edges: int | None = None  # edges left after it
    efficiency: float | None = None  # true edges kept
    target_efficiency: float | None = None  # true edges of target particles kept
    purity: float | None = None  # edges that join hits of one particle
    weighted_purity: float | None = None  # arXiv 2103.06995, equation 4
    scores: Mapping[str, Any] | None = None  # histogram of the scores given here


class StageLog:
    """Times stages and, outside the timed part, judges their edges."""

    def __init__(
        self, truth: EdgeTruth | None, device: torch.device, watch: Watch, look: Look
    ) -> None:
        self.truth, self.device, self.watch, self.look = truth, device, watch, look
        self.stages: list[Stage] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[Any]:
        given: list[tuple[Tensor, ...]] = []
        with self.watch(name):
            start = self._now()
            yield lambda *tensors: given.append(tensors)
            stage = Stage(name, self._now() - start)
        if given:
            left, *scores = given[0]
            self.look(name, left)
            if left.ndim == 2:  # edges
                stage = self._judged(stage, left, *scores)
        self.stages.append(stage)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()  # other events may be in flight
        return time.perf_counter()

    def _judged(
        self,
        stage: Stage,
        edges: Tensor,
        scored: Tensor | None = None,
        logits: Tensor | None = None,
    ) -> Stage:
        stage = replace(stage, edges=edges.shape[1])
        if self.truth is None:
            return stage
        quality = edge_metrics(self.truth, edges.cpu().numpy()).to_dict()
        names = ("efficiency", "target_efficiency", "purity", "weighted_purity")
        stage = replace(stage, **{name: quality[name] for name in names})
        if scored is None or logits is None:
            return stage
        scores = torch.sigmoid(logits).cpu().numpy()
        histogram = score_histogram(self.truth, scored.cpu().numpy(), scores)
        return replace(stage, scores=histogram.to_dict())
