"""Where hits of an endcap lie as seen from the origin: showers are clouds about such lines."""

import torch
from torch import Tensor

from hitgraph.hits import Hits

LINES = ("x_over_z", "y_over_z")  # the columns that this needs


def projected(hits: Hits, layer_step: float) -> Tensor:
    """(n_hits, 3) float32 mm: where lines from the origin cross the first z, and the layer.

    Layers that follow each other are `layer_step` mm apart.
    """
    first = hits.position[:, 2].abs().amin() if len(hits) else 1.0
    lines = first * hits.take(LINES)
    return torch.cat([lines, layer_step * hits.layer[:, None]], dim=1)
