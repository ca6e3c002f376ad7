"""Where a transformer loses particles: python benchmarks/transformer_steps.py EVENTS

    python benchmarks/transformer_steps.py data/pu20 --events 1060:1063 --pipelines runs/mine

Particles with at least three hits in the pixels, |eta| < 4 and pT above 0.9 GeV. Of how many
perfect masks would match one by double majority: behind the hit filter, more than half of the hits
are left in the sector of their mean azimuth; behind the choice of candidates, one begins with one
of these as well. Then how many the masks of the candidates match, before and behind the decoder,
and how many the tracks that are made of these. The table is in Markdown; `--filter` and
`--candidates` try other cuts of the filter and numbers of candidates.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import pi
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from hitgraph.cli.arguments import parse_range
from hitgraph.evaluation.ratio import Ratio
from hitgraph.evaluation.tables import percent
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection, selected_hits
from hitgraph.event.source import list_events
from hitgraph.event.truth import require_truth
from hitgraph.event.volumes import in_volumes
from hitgraph.gnn.transformer.lesson import NONE, renumbered
from hitgraph.gnn.transformer.network import Found, TransformerNetworkSettings
from hitgraph.gnn.transformer.sectors import sectors_of
from hitgraph.gnn.transformer.stage import TransformerStage
from hitgraph.pipeline import Pipeline
from hitgraph.state import State

PIXELS = (7, 8, 9)
TARGETS = Selection(min_pt=0.9, max_abs_eta=4.0, min_hits=3)
STEPS = ("hit filter", "candidates", "first masks", "last masks", "tracks")


def majority(shared: Tensor, size: Tensor, n_hits: Tensor) -> Tensor:
    """Double majority, of shared hits, the hits of a group and those of a particle."""
    return (2 * shared > size) & (2 * shared > n_hits)


def matched(masks: Tensor, of_particle: Tensor, n_hits: Tensor) -> Tensor:
    """(n_particles,) bool: by masks (n, n_kept) bool and hits (n_particles, n_kept) bool."""
    shared = of_particle.float() @ masks.float().T
    return majority(shared, masks.sum(dim=1), n_hits[:, None]).any(dim=1)


def in_sector(found: Found, owner: Tensor, n_hits: Tensor) -> Tensor:
    """(4, n_particles) bool: the first four STEPS of the particles whose hits `owner` numbers."""
    particles = torch.arange(len(n_hits))[:, None]
    kept = particles == owner[found.kept]
    passes = 2 * kept.sum(dim=1) > n_hits
    begun = passes & (particles == owner[found.begun]).any(dim=1)
    masks = (matched(found.masks[k] > 0, kept, n_hits) for k in (0, -1))
    return torch.stack([passes, begun, *masks])


def steps(stage: TransformerStage, event: Event, state: State) -> Tensor:
    """(n_particles, 5) bool, whether each is there behind each of STEPS."""
    settings = stage.settings
    particle = torch.tensor(require_truth(event).particle_id)
    particle[~torch.from_numpy(selected_hits(event, TARGETS))] = NONE
    owner = renumbered(particle, TARGETS.min_hits)
    n_hits = torch.bincount(owner[owner >= 0])
    there = torch.zeros(len(STEPS), len(n_hits), dtype=torch.bool)
    names, n_sectors = settings.hit_inputs, settings.sectors
    for sector in sectors_of(state.hits.take(names), names, n_sectors, settings.margin):
        own = owner[sector.rows]
        seen = torch.bincount(own[own >= 0], minlength=len(n_hits))
        phi = torch.zeros(len(n_hits)).index_add(0, own[own >= 0], sector.phi[own >= 0])
        core = (phi / seen.clamp_min(1)).abs() <= pi / n_sectors
        core &= 2 * seen > n_hits
        found = stage.network(sector.features)
        there[:4] |= core & in_sector(found, own, n_hits)
    labels = stage(state).labels
    assert labels is not None
    tracks = labels == torch.arange(int(labels.max()) + 1)[:, None]
    there[4] = matched(tracks, owner == torch.arange(len(n_hits))[:, None], n_hits)
    return there.T


def variants(
    settings: TransformerNetworkSettings, cuts: Sequence[float], shares: Sequence[float]
) -> Iterator[TransformerNetworkSettings]:
    """With each of these cuts of the filter and numbers of candidates, or its own."""
    for cut in cuts or [settings.filter_cut]:
        for share in shares or [settings.candidates]:
            yield replace(settings, filter_cut=cut, candidates=share)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--events", type=parse_range)
    parser.add_argument("--pipelines", nargs="+", required=True)
    parser.add_argument("--filter", type=float, nargs="+", default=[])
    parser.add_argument("--candidates", type=float, nargs="+", default=[], help="share of hits")
    args = parser.parse_args()
    events = [in_volumes(one.read(), PIXELS) for one in list_events(args.data, None, args.events)]
    head = ("pipeline", "filter", "candidates", *STEPS)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in args.pipelines:
        pipeline = Pipeline.load(name)
        (stage,) = pipeline.stages.values()
        assert isinstance(stage, TransformerStage)
        states = [pipeline.start(event) for event in events]
        for settings in variants(stage.settings.network, args.filter, args.candidates):
            stage.network.settings = settings
            with torch.no_grad():
                found = [steps(stage, *pair) for pair in zip(events, states, strict=True)]
            shares = [Ratio(int(k.sum()), len(k)) for k in torch.cat(found).T]
            row = (name, f"{settings.filter_cut:g}", f"{settings.candidates:g}")
            lines.append("| " + " | ".join((*row, *map(percent, shares))) + " |")
    Console(width=200).print("\n".join(lines), highlight=False, markup=False)


if __name__ == "__main__":
    main()
