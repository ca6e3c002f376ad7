"""Doublets against triplets, the cut between them, and seeds: python benchmarks/triplets.py EVENTS

    python benchmarks/triplets.py data/test-50/event000001000 --pipeline runs/triplets

PIPELINE has a stage `triplet_graph` behind a stage that scores edges, for example that of
recipes/ablations/triplets.yaml. Four tables, of particles of at least three hits: of all, of those
above 0.5 GeV, and of the latter where all hits lie at |eta| < 1 (edges of others are left out):

- purity and efficiency at two thresholds, of doublets (scored by the stage before, among all that
  it was given) and of triplets (among all of the triplet graph). Pure is what is of one particle;
- doublets that the best triplet of each puts right, and those that it spoils, at a score of 0.5;
- what a cut on the score of doublets leaves of true ones, doublets and triplets;
- seeds of three hits: the particles that have one, at the purity of the paper (arXiv 2007.00149).
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from hitgraph.event.event import Event
from hitgraph.event.selection import Selection, selected_hits
from hitgraph.event.source import list_events
from hitgraph.event.truth import require_truth
from hitgraph.gnn.triplet_graph import TripletGraphStage
from hitgraph.graph.line_graph import edge_pairs
from hitgraph.pipeline import Pipeline
from hitgraph.state import State
from hitgraph.threads import set_threads

THRESHOLDS = (0.5, 0.8)
CUTS = (0.01, 0.02, 0.04, 0.1, 0.2, 0.5)
SEED_PURITY = 0.991
BARREL = 1.0  # pseudorapidity of a hit, at most
ALL = Selection(min_pt=0.0, max_abs_eta=None, min_hits=3)
FAST = Selection(min_pt=0.5, max_abs_eta=None, min_hits=3)
PARTICLES = {"all": (ALL, inf), "pT > 0.5": (FAST, inf), "pT > 0.5, barrel": (FAST, BARREL)}


@dataclass(frozen=True, eq=False)
class Scored:
    """Doublets or triplets of hits with what is true of them, (n,) each."""

    score: NDArray[np.float64]  # from 0 to 1
    particle: NDArray[np.int64]  # that all hits are of, 0 = they are not of one
    counts: NDArray[np.bool_]  # fake, or of a particle that is looked at

    def at(self, threshold: float) -> tuple[float, float]:
        """Purity and efficiency of those at least as good."""
        kept = (self.score >= threshold) & self.counts
        pure = (self.particle != 0) & self.counts
        good = int((kept & pure).sum())
        return good / max(int(kept.sum()), 1), good / max(int(pure.sum()), 1)

    def threshold_of(self, purity: float) -> float:
        """The lowest one that makes those above it at least as pure."""
        order = np.argsort(-self.score[self.counts])
        pure = (self.particle[self.counts] != 0)[order]
        enough = np.cumsum(pure) >= purity * np.arange(1, len(pure) + 1)
        return float(self.score[self.counts][order[np.flatnonzero(enough)[-1]]])


@dataclass(frozen=True, eq=False)
class Truth:
    """Of all events, whose hits follow each other."""

    particle_id: NDArray[np.int64]
    counts: NDArray[np.bool_]  # (n_hits,) of a particle that is looked at
    inside: NDArray[np.bool_]  # (n_hits,) where edges are looked at

    def scored(self, hits: Tensor, logit: Tensor) -> Scored:
        """Rows of hits (2 or 3, n) with their logits."""
        of = self.particle_id[hits.numpy()]
        particle = np.where((of == of[0]).all(axis=0), of[0], 0)
        counts = (particle == 0) | self.counts[hits[0].numpy()]
        counts &= self.inside[hits.numpy()].all(axis=0)
        return Scored(torch.sigmoid(logit.double()).numpy(), particle, counts)


@dataclass(frozen=True, eq=False)
class Found:
    """What a pipeline made of the events."""

    given: Tensor  # (2, n) doublets that were scored, and their logits
    given_logit: Tensor
    left: Tensor  # (2, m) doublets that the triplet graph is made of
    left_logit: Tensor  # of doublets, and of the best triplet of each
    best_logit: Tensor
    triplets: Tensor  # (3, k) hits, and their logits
    triplet_logit: Tensor


def find(pipeline: Pipeline, events: Sequence[Event]) -> Found:
    names = list(pipeline.stages)
    name, stage = next(
        (name, one) for name, one in pipeline.stages.items() if isinstance(one, TripletGraphStage)
    )
    before = names[names.index(name) - 1]
    parts, start = [], 0
    for event in events:
        state: State = pipeline.run(event, keep=[before]).kept[before]
        assert state.scored is not None, f"the stage {before} scores no edges"
        edges, triplets = state.graph(), stage.triplets(state)
        hits = torch.cat([edges[:, triplets.doublets[0]], edges[1:, triplets.doublets[1]]])
        parts.append(
            Found(
                state.scored.edges + start,
                state.scored.logit,
                edges + start,
                state.edge["logit"],
                stage.logits(state),
                hits + start,
                triplets.logit,
            )
        )
        start += event.n_hits
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Found(*(torch.cat(column, dim=-1) for column in columns))


def truth_of(events: Sequence[Event], particles: Selection, most_eta: float) -> Truth:
    """Particles of all events are numbered from 1 on."""
    numbers, last = [], 0
    for event in events:
        given = require_truth(event).particle_id
        known = np.unique(given[given != 0])
        numbers.append(np.where(given == 0, 0, np.searchsorted(known, given) + last + 1))
        last += len(known)
    counts = [selected_hits(event, particles) for event in events]
    inside = [
        np.abs(np.arcsinh(one.z / np.hypot(one.x, one.y))) <= most_eta
        for one in (event.hits for event in events)
    ]
    return Truth(*map(np.concatenate, (numbers, counts, inside)))


def thresholds(found: Found, truths: dict[str, Truth]) -> Iterator[str]:
    yield "| particles | | " + " | ".join(f"purity at {t} | efficiency" for t in THRESHOLDS) + " |"
    yield "|---" * (2 + 2 * len(THRESHOLDS)) + "|"
    for name, truth in truths.items():
        for kind, hits, logit in (
            ("doublets", found.given, found.given_logit),
            ("triplets", found.triplets, found.triplet_logit),
        ):
            scored = truth.scored(hits, logit)
            cells = (f"{one:.4f}" for threshold in THRESHOLDS for one in scored.at(threshold))
            yield f"| {name} | {kind} | {' | '.join(cells)} |"


def put_right(found: Found, truth: Truth) -> str:
    before, after = (truth.scored(found.left, one) for one in (found.left_logit, found.best_logit))
    pure = before.particle != 0
    right, then = ((one.score >= 0.5) == pure for one in (before, after))
    fixed, spoiled = int((then & ~right).sum()), int((right & ~then).sum())
    return f"the best triplet puts {fixed} of {len(pure)} doublets right and spoils {spoiled}"


def scan(found: Found, truths: dict[str, Truth], n_hits: int) -> Iterator[str]:
    yield (
        "| cut | " + " | ".join(f"true kept, {one}" for one in truths) + " | doublets | triplets |"
    )
    yield "|---" * (3 + len(truths)) + "|"
    for cut in (0.0, *CUTS):
        kept = torch.sigmoid(found.given_logit) >= cut
        n_triplets = edge_pairs(found.given[:, kept], n_hits).shape[1]
        shares = (
            f"{truth.scored(found.given, found.given_logit).at(cut)[1]:.4f}"
            for truth in truths.values()
        )
        yield f"| {cut} | {' | '.join(shares)} | {int(kept.sum())} | {n_triplets} |"


def seeds(found: Found, truths: dict[str, Truth]) -> Iterator[str]:
    for name, truth in truths.items():
        scored = truth.scored(found.triplets, found.triplet_logit)
        threshold = scored.threshold_of(SEED_PURITY)
        seeded = np.unique(scored.particle[(scored.score >= threshold) & scored.counts])
        wanted = np.unique(truth.particle_id[truth.counts & truth.inside])
        share = np.isin(wanted, seeded).mean()
        yield (
            f"seeds, {name}: at a purity of {SEED_PURITY} (score {threshold:.3f}) {share:.4f} of "
            "the particles have one"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", nargs="+", help="full events with truth, none trained on")
    parser.add_argument("--pipeline", required=True)
    args = parser.parse_args()
    set_threads()
    pipeline = Pipeline.load(args.pipeline)
    events = [one.read(cells=pipeline.recipe.clusters) for one in list_events(args.events)]
    found = find(pipeline, events)
    truths = {name: truth_of(events, *chosen) for name, chosen in PARTICLES.items()}
    out = Console()
    for line in (
        *thresholds(found, truths),
        put_right(found, truths["all"]),
        *scan(found, truths, sum(event.n_hits for event in events)),
        *seeds(found, truths),
    ):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
