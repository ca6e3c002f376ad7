"""Which hits of a particle meet in attention, by windows of azimuth and of hashes.

    python benchmarks/attention_reach.py data/test-50 --events 1000:1002

Hits in the pixels (volumes 7, 8 and 9), cut into phi sectors as a recipe of the transformer does;
particles above 0.9 GeV with at least three hits in a sector. Of the pairs of hits of one of these
particles: how many are of a hit and one that it attends to in a layer of the encoder, or in one of
several layers; and how many pairs of all are. Hashes differ from layer to layer, azimuths do not.
The table is in Markdown.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from hitgraph.cli.arguments import parse_range
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection, selected_hits
from hitgraph.event.source import list_events
from hitgraph.event.truth import require_truth
from hitgraph.event.volumes import in_volumes
from hitgraph.gnn.transformer.attention import Windows
from hitgraph.gnn.transformer.lesson import NONE, renumbered
from hitgraph.gnn.transformer.orders import by_azimuth, by_hashes, random_directions
from hitgraph.gnn.transformer.sectors import sectors_of
from hitgraph.hits import hits_from_event
from hitgraph.hits.columns import POSITION_FEATURES

PIXELS = (7, 8, 9)
TARGETS = Selection(min_pt=0.9, max_abs_eta=4.0, min_hits=3)
HEAD = ("hits in a window", "attention", "layers", "pairs of particles [%]", "of all pairs [%]")


def sectors(event: Event, n_sectors: int, margin: float) -> Iterator[tuple[Tensor, Tensor]]:
    """r, phi, z (n_hits, 3) and the particle (n_hits,) of the hits of each, NONE for others."""
    assert event.detector is not None
    hits = hits_from_event(event, event.detector, clusters=False)
    particle = torch.tensor(require_truth(event).particle_id)
    particle[~torch.from_numpy(selected_hits(event, TARGETS))] = NONE
    places = hits.take(POSITION_FEATURES)
    for sector in sectors_of(places, POSITION_FEATURES, n_sectors, margin):
        yield sector.features, renumbered(particle[sector.rows], TARGETS.min_hits)


def attended(order: Tensor, window: int) -> Tensor:
    """(n_hits, n_hits) bool, whether a hit attends to another."""
    windows = Windows.of(order, window)
    found = torch.zeros(len(order), len(order), dtype=torch.bool)
    for own, seen in zip(windows.own, windows.seen, strict=True):
        found[own[:, None], seen[None]] = True
    return found


def counts(position: Tensor, owner: Tensor, window: int, layers: int) -> dict[str, Tensor]:
    """By attention (4,): pairs of particles that are seen and all, pairs that are seen and all."""
    same = (owner[:, None] == owner[None]) & (owner >= 0)
    same.fill_diagonal_(False)
    hashed = [by_hashes(position, one, window) for one in random_directions(layers)]
    masks = {
        "windows": attended(by_azimuth(position), window),
        "lsh": torch.stack([attended(order, window) for order in hashed]).any(dim=0),
    }
    return {
        name: torch.stack([(same & mask).sum(), same.sum(), mask.sum(), torch.tensor(mask.numel())])
        for name, mask in masks.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--events", type=parse_range)
    parser.add_argument("--sectors", type=int, default=12)
    parser.add_argument("--margin", type=float, default=0.08, help="rad on either side")
    parser.add_argument("--windows", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 2, 3])
    args = parser.parse_args()
    torch.manual_seed(1)
    sums: dict[tuple[int, str, int], Tensor] = {}
    for source in list_events(args.data, None, args.events):
        event = in_volumes(source.read(), PIXELS)
        for position, owner in sectors(event, args.sectors, args.margin):
            for window in args.windows:
                for layers in args.layers:
                    for name, found in counts(position, owner, window, layers).items():
                        key = (window, name, layers)
                        sums[key] = sums.get(key, torch.zeros(4, dtype=torch.int64)) + found
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for (window, name, layers), (seen, pairs, allowed, every) in sorted(sums.items()):
        if name == "lsh" or layers == args.layers[0]:
            share, cost = 100 * seen / pairs.clamp_min(1), 100 * allowed / every
            lines.append(f"| {window} | `{name}` | {layers} | {share:.1f} | {cost:.1f} |")
    Console(width=200).print("\n".join(lines), highlight=False, markup=False)


if __name__ == "__main__":
    main()
