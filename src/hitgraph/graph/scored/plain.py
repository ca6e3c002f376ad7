"""The search of the scored windows in torch, for hits that lie on a GPU.

Pairs are those of windows.plain, a part at a time; each part is scored and cut at once.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.graph.scored.values import N_BINS, N_GEOMETRY
from hitgraph.graph.windows.plain import pairs_in_windows
from hitgraph.hits import Hits
from hitgraph.pairs.geometry import ETA, SIZE_U, SIZE_V, R, Z
from hitgraph.pairs.plain import arc_of, circle, crossing, hit_rows


def search_scored(
    hits: Hits,
    detector: Detector,
    barrel: Tensor,
    windows: tuple[Tensor, ...],
    cut: Tensor,
) -> tuple[Tensor, Tensor]:
    """Edges and raw scores of scored.builder.ScoredBuilder.search, by inner and then by outer hit.

    barrel (n_layers,) bool; windows: first, outer and bounds as in windows.plain.search_windows,
    then base, low, scale and table as in scored.tables.ScoredWindows; cut (), the lowest raw score.
    All on the device of the hits.
    """
    device = hits.position.device
    base, low, scale, table = windows[3:]
    rows = hit_rows(hits, detector)
    along = torch.where(barrel[hits.layer], rows[:, Z], rows[:, R])
    found = [torch.empty(2, 0, dtype=torch.int64, device=device)]
    scores = [torch.empty(0, device=device)]
    for i, j, window in pairs_in_windows(hits, rows, *windows[:3]):
        apart = hits.module[i] != hits.module[j]
        i, j, window = i[apart], j[apart], window[apart]
        score = base[window]
        for k, value in enumerate(_score_values(hits, rows, along, i, j, table.shape[1])):
            place = (value - low[window, k]) * scale[window, k]
            score = score + table[window, k, place.clamp(0, N_BINS - 1).long()]
        kept = score >= cut
        found.append(torch.stack([i[kept], j[kept]]))
        scores.append(score[kept])
    edges = torch.cat(found, dim=1)
    order = torch.argsort(edges[0] * len(hits) + edges[1])
    return edges[:, order], torch.cat(scores)[order]


def _score_values(
    hits: Hits, rows: Tensor, along: Tensor, i: Tensor, j: Tensor, n_variables: int
) -> Iterator[Tensor]:
    """Values of SCORE_VARIABLES, one after the other; see scored.values.score_values."""
    a, b = rows[i], rows[j]
    bent = circle(a, b)
    dr, dz = b[:, R] - a[:, R], b[:, Z] - a[:, Z]
    cot = dz / bent.arc
    z0 = a[:, Z] - cot * a[:, R] * arc_of(bent.inner[1] * bent.inner[1])
    yield along[i]
    yield along[j]
    yield bent.curvature
    yield b[:, ETA] - a[:, ETA]
    yield z0 / (100 + z0.abs())
    yield (a[:, Z] * b[:, R] - b[:, Z] * a[:, R]) / torch.sqrt(dr * dr + dz * dz)
    if n_variables == N_GEOMETRY:
        return
    charge = hits.charge
    length = torch.sqrt(1 + cot * cot)
    for row, hit, tangent in ((a, i, bent.inner), (b, j, bent.outer)):
        u, v, w = crossing(row, tangent, cot)
        inverse = 1 / w.clamp_min(1e-6)
        # A particle that crosses L channels lights L + 1 of them on average.
        yield row[:, SIZE_U] - 1 - u * inverse
        yield row[:, SIZE_V] - 1 - v * inverse
        yield charge[hit] * w / length
