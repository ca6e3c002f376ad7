"""An equivariant network (EuclidNet, arXiv 2304.05293): an event turned about the beam is the same.

A hit has a vector v = (x, y) and scalars h. With psi(t) = sign(t) log(1 + |t|) and

    I_ij = psi of |v_i - v_j|^2, of v_i . v_j and of v_i x v_j

each of `steps` rounds does, over all hits j that share an edge with i,

    m_ij = MLP[h_i, h_j, I_ij, e_ij],   e_ij what is known of the edge
    v_i <- v_i + 0.005 sum MLP(m_ij) (v_i - v_j)
    h_i <- h_i + MLP[h_i, sum sigmoid(MLP(m_ij)) m_ij]

and the logit is an MLP of h and I at both ends and of e. All that is summed or judged stays when
the event is turned about z, and vectors turn with it. The paper has no v_i x v_j, which changes its
sign in a mirror: a field along z bends the particles of one charge one way, so mirrors are no
symmetry of hits. Neither are boosts, which change no position in the detector as they change
momenta: a Lorentz-equivariant network has nothing to hold on to here.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import logits_of, mlp, sum_at
from hitgraph.nn.edges import EdgeNetwork, at_both_ends
from hitgraph.stage import NetworkSettings

STEP = 0.005  # of a vector, a round
_N_INVARIANTS = 3


@dataclass(frozen=True)
class EquivariantSettings(NetworkSettings):
    """Equivariant network: exactly the same logits for an event turned about the beam."""

    hidden: int = 16  # width of every layer
    steps: int = 4  # rounds of message passing

    paper: ClassVar[str] = "2304.05293"
    can_split: ClassVar[bool] = True
    vector_inputs: ClassVar[tuple[str, ...]] = ("x", "y")

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, steps=1)

    def build(self, n_hit_inputs: int, n_edge_inputs: int) -> "EquivariantNetwork":
        return EquivariantNetwork(self, n_hit_inputs, n_edge_inputs)


class EquivariantNetwork(EdgeNetwork):
    """Logit of each edge; the first two inputs of a hit are a vector across the beam."""

    def __init__(
        self, settings: EquivariantSettings, n_hit_inputs: int, n_edge_inputs: int
    ) -> None:
        super().__init__(n_hit_inputs, n_edge_inputs)
        hidden = settings.hidden
        self.encode = mlp([n_hit_inputs - 2 + 1, hidden, hidden])
        self.rounds = nn.ModuleList(_Round(hidden, n_edge_inputs) for _ in range(settings.steps))
        self.judge = mlp([2 * hidden + _N_INVARIANTS + n_edge_inputs, hidden, 1])

    def learn_inputs(self, x: Tensor, edge_attr: Tensor) -> None:
        """Standardise scalars by mean and spread, vectors by their length: they only turn."""
        super().learn_inputs(x, edge_attr)
        hits = self.standardise_hits
        hits.mean[:2] = 0.0
        hits.std[:2] = x[:, :2].square().sum(dim=1).mean().sqrt().clamp_min(1e-6)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        # No clamp for vectors: it would know the axes. Their length in psi bounds them.
        vectors = x[:, :2] / self.standardise_hits.std[:2]
        scalars = self.standardise_hits(x)[:, 2:]
        edges = self.standardise_edges(edge_attr)
        length = _psi(vectors.square().sum(dim=1, keepdim=True))
        hits = self.encode(torch.cat([scalars, length], dim=1))
        for one_round in self.rounds:
            hits, vectors = self.recomputed(one_round, hits, vectors, edge_index, edges)
            hits, vectors = self.with_borders(hits), self.with_borders(vectors)
        inputs = at_both_ends(hits, edge_index, _invariants(vectors, edge_index)[0], edges)
        return logits_of(self.judge, inputs)


class _Round(nn.Module):
    """One exchange along all edges, both ways."""

    def __init__(self, hidden: int, n_edge_inputs: int) -> None:
        super().__init__()
        self.message = mlp([2 * hidden + _N_INVARIANTS + n_edge_inputs, hidden, hidden])
        self.move = nn.Linear(hidden, 2)  # of the inner, and of the outer hit
        self.weigh = nn.Linear(hidden, 2)
        self.normalise = nn.LayerNorm(3 * hidden)
        self.update = mlp([3 * hidden, hidden, hidden])

    def forward(
        self, hits: Tensor, vectors: Tensor, edge_index: Tensor, edges: Tensor
    ) -> tuple[Tensor, Tensor]:
        invariants, difference = _invariants(vectors, edge_index)
        message = torch.relu(self.message(at_both_ends(hits, edge_index, invariants, edges)))
        move, weight = self.move(message), torch.sigmoid(self.weigh(message))
        sums, moved = [], vectors
        for end, sign in ((0, 1.0), (1, -1.0)):
            column = slice(end, end + 1)
            sums.append(sum_at(weight[:, column] * message, edge_index[end], hits.shape[0]))
            step = move[:, column] * (STEP * sign) * difference
            moved = moved + sum_at(step, edge_index[end], hits.shape[0])
        hits = hits + self.update(self.normalise(torch.cat([hits, *sums], dim=1)))
        return hits, moved


def _invariants(vectors: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
    """(n_edges, 3) what a turn leaves of both vectors; (n_edges, 2) the inner minus the outer."""
    inner, outer = (vectors.index_select(0, ends) for ends in edge_index.unbind(0))
    difference = inner - outer
    dot = (inner * outer).sum(dim=1)
    cross = inner[:, 0] * outer[:, 1] - inner[:, 1] * outer[:, 0]
    values = torch.stack([difference.square().sum(dim=1), dot, cross], dim=1)
    return _psi(values), difference


def _psi(value: Tensor) -> Tensor:
    return value.sign() * value.abs().log1p()
