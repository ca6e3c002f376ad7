"""Candidate edges from a module map: which modules true tracks connect, and how.

The graph builder of ATLAS (arXiv 2103.00916, 4.1), with one thing more: modules that a turn about
the beam takes into each other share what was seen of either, so that some ten events teach what
else takes thousands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.module_map.builder import ModuleMapBuilder
from hitgraph.graph.module_map.learning import learn_module_map, rings_of
from hitgraph.graph.module_map.statistics import Cuts, CutSettings
from hitgraph.graph.module_map.tables import TENSORS, ModuleMap
from hitgraph.lessons.material import Material, true_edges_near
from hitgraph.lessons.settings import check_above, check_at_least, check_tail
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, State
from hitgraph.tensors import refuse_others

__all__ = ["ModuleMap", "ModuleMapBuilder", "ModuleMapSettings", "learn_module_map"]


@dataclass(frozen=True)
class ModuleMapSettings(StageSettings):
    """Pairs of hits on modules that true tracks connect, within ranges learnt for each connection.

    With triplets, only those that are part of a triplet of hits on modules that tracks connect.
    """

    triplets: bool = True  # keep the edges of accepted triplets only
    fallback: Literal["ring", "none"] = "ring"  # what modules seen rarely share: those of their
    # rings, or nothing, as in the original
    own_seen: int = 1000  # pairs and triplets of modules seen as often have ranges of their own
    min_seen: int = 2  # connections seen less often are left out
    cuts: Cuts = "minmax"  # ranges: minmax, meanrms, hybrid or quantile
    widen: float = 3.0  # minmax: a range seen n times grows by widen / n of its width on each side
    n_rms: float = 4.0  # half-width of a range of meanrms, within minmax
    hybrid_seen: int = 20  # hybrid: meanrms for connections seen as often, minmax for others
    tail: float = 0.001  # quantile: share of the values beyond each end of a range
    max_radius: float = 20.0  # mm, particles born farther out are not learnt from

    paper: ClassVar[str] = "2103.00916"
    needs: ClassVar[frozenset[str]] = frozenset({HITS})
    gives: ClassVar[frozenset[str]] = frozenset({EDGES})

    def __post_init__(self) -> None:
        check_at_least(self, min_seen=1, widen=0, hybrid_seen=1)
        check_at_least(self, own_seen=self.min_seen)
        check_above(self, n_rms=0, max_radius=0)
        check_tail(self, "tail")
        for key, allowed in (("cuts", get_args(Cuts)), ("fallback", ("ring", "none"))):
            if getattr(self, key) not in allowed:
                raise SettingsError(
                    f"{key}: {getattr(self, key)!r} is not allowed; any of {', '.join(allowed)}"
                )

    @property
    def how(self) -> CutSettings:
        """How ranges follow from values."""
        return CutSettings(self.cuts, self.widen, self.n_rms, self.hybrid_seen, self.tail)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "ModuleMapStage":
        refuse_others(tensors, TENSORS)
        learnt = ModuleMap.from_tensors(tensors, rings_of(context.detector, self))
        return ModuleMapStage(context, self, learnt)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "ModuleMapStage":
        workshop.report(f"learning a module map from {len(material.train)} events")
        learnt = learn_module_map(
            true_edges_near(material.train, self.max_radius), context.detector, self
        )
        stage = ModuleMapStage(context, self, learnt)
        workshop.record(
            {
                "connections": len(stage.builder.connections.inner),
                "pair_classes": len(learnt.pairs.key),
                "triplet_classes": len(learnt.triplets.key),
            }
        )
        return stage


class ModuleMapStage:
    """Ready to run."""

    def __init__(self, context: Context, settings: ModuleMapSettings, learnt: ModuleMap) -> None:
        self.context, self.learnt = context, learnt
        self.builder = ModuleMapBuilder(learnt, settings.triplets)

    def __call__(self, state: State) -> State:
        return state.with_edges(self.builder.build(state.hits, self.context.backend))

    def tensors(self) -> dict[str, Tensor]:
        return self.learnt.tensors()
