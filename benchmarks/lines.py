"""What lines through hits know before anything is learnt: python benchmarks/lines.py EVENTS

    python benchmarks/lines.py data/test-20 data/test-50 --events 1000 --voters 24 96

Every hit of an event gets the line of the stage `lines`: in the pixels alone (volumes 7, 8 and 9),
as the transformer does, and in the whole detector, as recipes/networks/gravnet_lines does. How well
the votes for it tell hits of particles above 0.9 GeV with at least three hits from all others, as
the area under the ROC curve; and which share of the hits of particles above 0.3, 0.5 and 0.9 GeV
have a line that is within 0.02 in azimuth at the beam line and in pseudorapidity of that of one hit
of their particle, the one for which most are. CPU seconds are of one event; the table is in
Markdown.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from scipy.stats import rankdata
from torch import Tensor

from hitgraph.cli.arguments import parse_range
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection, selected_hits
from hitgraph.event.source import list_events
from hitgraph.event.truth import require_truth
from hitgraph.event.volumes import in_volumes
from hitgraph.gnn.lines import LinesSettings
from hitgraph.gnn.transformer import lines
from hitgraph.hits import hits_from_event
from hitgraph.hits.columns import POSITION_FEATURES

PIXELS = (7, 8, 9)
STAGES = {
    "pixels": LinesSettings(turns=(1,)),
    "all": LinesSettings(window=0.03, min_pt=0.25, phi_error=0.001, turns=(1,)),
}
CUTS = (0.3, 0.5, 0.9)  # GeV
NEAR = 0.02
HEAD = ("events", "hits", "of", "voters", "AUC", *(f"> {cut} GeV [%]" for cut in CUTS), "CPU s")


def area(score: Tensor, of_target: Tensor) -> float:
    """Under the ROC curve; equal scores count half."""
    rank, n_true = rankdata(score.numpy()), int(of_target.sum())
    above = rank[of_target.numpy()].sum() - n_true * (n_true + 1) / 2
    return float(above / max(n_true * (len(rank) - n_true), 1))


def together(columns: dict[str, Tensor], particle: Tensor) -> tuple[int, int]:
    """Hits whose line is near that of the best hit of their particle, and all, of (n_hits,)."""
    order = torch.argsort(particle, stable=True)
    sizes = torch.unique_consecutive(particle[order], return_counts=True)[1]
    place = torch.stack(
        [torch.atan2(columns["line_sin_1"], columns["line_cos_1"]), columns["line_eta"]], dim=1
    )
    near = 0
    for hits in place[order].split(sizes.tolist()):
        away = hits[:, None] - hits
        away[..., 0] = torch.remainder(away[..., 0] + np.pi, 2 * np.pi) - np.pi
        near += int((away.abs() < NEAR).all(dim=2).sum(dim=1).max())
    return near, len(order)


def row(event: Event, kind: str, voters: int) -> tuple[str, ...]:
    """What the table says of one event."""
    lines.VOTERS = voters
    assert event.detector is not None
    position = hits_from_event(event, event.detector, clusters=False).take(POSITION_FEATURES)
    start = time.process_time()
    columns = STAGES[kind].columns(position)
    seconds = time.process_time() - start
    particle = torch.tensor(require_truth(event).particle_id)
    selected = [
        torch.from_numpy(selected_hits(event, Selection(min_pt=cut, min_hits=3))) for cut in CUTS
    ]
    shares = [together({k: c[m] for k, c in columns.items()}, particle[m]) for m in selected]
    found = (f"{area(columns['line_votes'], selected[-1]):.3f}",)
    found += tuple(f"{100 * near / max(n, 1):.1f}" for near, n in shares)
    return (f"{len(position):,}", kind, str(voters), *found, f"{seconds:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--events", type=parse_range)
    parser.add_argument("--voters", type=int, nargs="+", default=[lines.VOTERS])
    args = parser.parse_args()
    table = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for folder in args.data:
        for source in list_events([folder], None, args.events):
            whole = source.read()
            for kind in STAGES:
                event = in_volumes(whole, PIXELS) if kind == "pixels" else whole
                for voters in args.voters:
                    cells = (f"{folder.name}/{source.name}", *row(event, kind, voters))
                    table.append("| " + " | ".join(cells) + " |")
    Console(width=200).print("\n".join(table), highlight=False, markup=False)


if __name__ == "__main__":
    main()
