"""What a taught pipeline says of edges, as labels for the network of another (arXiv 1503.02531)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hitgraph.lessons.samples import Sample, read_kept
from hitgraph.tensor_files import write_tensors

__all__ = ["Teacher", "save_scores"]


@dataclass(frozen=True)
class Teacher:
    """The scores of edges of the training events, kept in a folder; without one there are none."""

    folder: Path | None = None
    weight: float = 0.0  # of the score in a label, from 0 to 1

    def soften(self, sample: Sample, edges: Tensor, y: Tensor) -> Tensor:
        """(n_edges,) labels y of edges (2, n_edges), mixed with the score where there is one."""
        if self.folder is None:
            return y
        known = read_kept(self.folder / f"{sample.name}.safetensors")
        if not len(known["key"]):
            return y
        key = _keys(edges.long(), len(sample.hits))
        place = torch.searchsorted(known["key"], key).clamp_max(len(known["key"]) - 1)
        mixed = torch.lerp(y.float(), known["score"][place], self.weight)
        return torch.where(known["key"][place] == key, mixed, y.float())


def save_scores(edges: Tensor, score: Tensor, n_hits: int, path: Path) -> None:
    """Keep for a `Teacher` what score (n_edges,) edges (2, n_edges) of an event have, 0 to 1.

    Of an edge that is there several times the last score counts.
    """
    key, order = torch.sort(_keys(edges.long(), n_hits), stable=True)
    last = torch.ones_like(key, dtype=torch.bool)
    last[:-1] = key[1:] != key[:-1]
    write_tensors({"key": key[last], "score": score[order][last]}, path)


def _keys(edges: Tensor, n_hits: int) -> Tensor:
    return edges[0] * n_hits + edges[1]
