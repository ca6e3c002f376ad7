"""Teaching the MLPs of layer pairs: batches as those of the filter."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from hitgraph.graph.filter.lesson import CandidateLesson
from hitgraph.lessons.samples import Sample

if TYPE_CHECKING:
    from hitgraph.graph.layer_mlps.stage import LayerMlpSettings, LayerPairTable


@dataclass(frozen=True, eq=False)
class LayerMlpLesson(CandidateLesson):
    """Each event yields all its true edges, as many hard fakes and as many easy ones."""

    stage: "LayerMlpSettings"
    table: "LayerPairTable"

    def inputs(self, sample: Sample, edges: Tensor) -> tuple[Tensor, Tensor]:
        return sample.hits.position, self.table.attributes(sample.hits, edges)
