"""The hierarchical network as a stage: tracks from supernodes, or from the embedding alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.gnn.hierarchical.network import (
    HierarchicalNetwork,
    HierarchicalNetworkSettings,
    Hierarchy,
)
from hitgraph.gnn.hierarchical.pooling import along, components, without_small
from hitgraph.gnn.inputs import edge_inputs, needed_inputs
from hitgraph.lessons.losses import mean_of_known
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_at_least,
    refuse_split,
    refuse_teacher,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.azimuths import Azimuths
from hitgraph.stage import Context, StageSettings
from hitgraph.state import LABELS, State
from hitgraph.tensors import build_network, learnt_tensors, load_learnt

# Tried in validation: scores of the classifier, and atanh of the cosine.
CUTS = {"bipartite": (0.2, 0.3, 0.5, 0.7, 0.9), "embedding": (0.8, 1.2, 1.6, 2.0, 2.5, 3.0)}


@dataclass(frozen=True)
class HierarchicalSettings(StageSettings):
    """Hierarchical network: hits pooled into supernodes, and assigned to them as tracks."""

    network: HierarchicalNetworkSettings = field(  # sizes
        default_factory=HierarchicalNetworkSettings
    )
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    readout: Literal["bipartite", "embedding"] = "bipartite"  # supernodes, or hits that are alike
    hit_inputs: tuple[str, ...] = ("r", "phi", "z")  # columns of hits
    edge_inputs: tuple[str, ...] = ("logit",)  # pair features and columns of edges
    min_hits: int = 3  # smaller groups are no track
    sectors: int = 1  # train on this many phi sectors of an event, one a step

    paper: ClassVar[str] = "2303.01640"

    def __post_init__(self) -> None:
        refuse_teacher(self.training)
        refuse_trackml_weights(self.training)
        refuse_split(self.training)
        check_at_least(self, min_hits=1, sectors=1)
        for key in ("hit_inputs", "edge_inputs"):
            if not getattr(self, key):
                raise SettingsError(f"{key}: is empty")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return needed_inputs(self.hit_inputs, self.edge_inputs)

    @property
    def gives(self) -> frozenset[str]:  # type: ignore[override]
        soft = {"hit.supernodes"} if self.readout == "bipartite" else set()
        return frozenset({LABELS, "hit.embedding", *soft})

    def build(self) -> HierarchicalNetwork:
        """The untrained network."""
        n_hit_inputs = Azimuths(self.hit_inputs).n_outputs
        return HierarchicalNetwork(self.network, n_hit_inputs, len(self.edge_inputs))

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "HierarchicalStage":
        network, (cut,) = load_learnt(
            self.build, tensors, context.device, self.network, cut=(None, None)
        )
        return HierarchicalStage(context, self, network, cut)

    def learn(
        self, context: Context, material: Material, workshop: Workshop
    ) -> "HierarchicalStage":
        """The network, then the cut with the highest TrackML score on validation events."""
        from hitgraph.gnn.hierarchical.lesson import teach

        network = build_network(self.build, self.network)
        stage = HierarchicalStage(context, self, network, 0.0)
        merit = teach(stage, material, workshop)
        scores: dict[float, list[float]] = {cut: [] for cut in CUTS[self.readout]}
        for read in material.validation:
            example = read()
            hierarchy = stage.hierarchy(example.state)
            for cut, found in scores.items():
                labels = stage.labels(example.state, hierarchy, cut)
                found.append(workshop.score(example, labels))
        means = {cut: mean_of_known(found) or 0.0 for cut, found in scores.items()}
        cut = max(means, key=lambda one: means[one])
        workshop.record({**merit, "cut": cut, "trackml_score": means[cut]})
        return replace(stage, cut=cut)


@dataclass(frozen=True, eq=False)
class HierarchicalStage:
    """Ready to run."""

    context: Context
    settings: HierarchicalSettings
    network: HierarchicalNetwork
    cut: float  # score of a hit for a supernode, or similarity of the hits of an edge

    def __post_init__(self) -> None:
        self.network.backend = self.context.backend

    def __call__(self, state: State) -> State:
        hierarchy = self.hierarchy(state)
        columns = {"embedding": hierarchy.final}
        if self.settings.readout == "bipartite":
            columns["supernodes"] = assigned(hierarchy, len(state.hits), self.cut)
        return state.with_hit(**columns).with_labels(self.labels(state, hierarchy, self.cut))

    def hierarchy(self, state: State) -> Hierarchy:
        """What the network makes of the hits and edges."""
        x, edge_attr = self.inputs(state)
        with torch.no_grad(), self.context.mixed_precision():
            return self.network.hierarchy(x, state.graph(), edge_attr)

    def inputs(self, state: State) -> tuple[Tensor, Tensor]:
        """What the network sees of hits (n_hits, n) and of edges (n_edges, m)."""
        settings, context = self.settings, self.context
        edge_attr = edge_inputs(state, context.detector, settings.edge_inputs, context.backend)
        hits = state.hit_columns(settings.hit_inputs)
        return Azimuths(settings.hit_inputs)(hits), edge_attr

    def labels(self, state: State, hierarchy: Hierarchy, cut: float) -> Tensor:
        """(n_hits,) int64 track of each hit, from 0 without gaps, -1 = none."""
        if self.settings.readout == "embedding":
            alike = along(hierarchy.final, state.graph())
            joined = state.graph()[:, alike >= cut]
            return components(joined, len(state.hits), self.settings.min_hits)
        return without_small(likeliest(hierarchy, len(state.hits), cut), self.settings.min_hits)

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network, cut=self.cut)


def assigned(hierarchy: Hierarchy, n_hits: int, cut: float) -> Tensor:
    """(n_hits, k) int64 supernodes of each hit with a score of at least `cut`, -1 = none."""
    chosen = torch.where(torch.sigmoid(hierarchy.logit) >= cut, hierarchy.pairs[1], -1)
    return chosen.view(n_hits, -1) if n_hits else chosen[:, None]


def likeliest(hierarchy: Hierarchy, n_hits: int, cut: float) -> Tensor:
    """(n_hits,) int64 the supernode of highest score of each hit, -1 where all are below `cut`."""
    found = torch.full((n_hits,), -1, device=hierarchy.pairs.device)
    if hierarchy.pairs.shape[1] == 0:
        return found
    logits = hierarchy.logit.view(n_hits, -1)  # every hit has as many supernodes to choose from
    best, place = logits.max(dim=1)
    chosen = hierarchy.pairs[1].view(n_hits, -1).gather(1, place[:, None]).squeeze(1)
    return torch.where(torch.sigmoid(best) >= cut, chosen, found)
