"""The network: an encoder with windowed attention, a hit filter, and candidates with masks.

After arXiv 2411.07149 (hepattn): hits attend to those near them in an order, of their azimuths or,
as in arXiv 2402.12535, of hashes; a filter drops those that are likely of no target, and candidates
("queries") that attend to what is left become tracks, each with a mask over the hits (masked
attention of arXiv 2112.01527). As in arXiv 2606.17631 candidates are not learnt vectors but hits:
those that look most like the first hit of a target.

Every product that compares two of them sees where they are, and the line through them (lines),
beside their states, and begins with the same weights on either side: alike is near then, and
training has something to begin with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from hitgraph.errors import InputError, SettingsError
from hitgraph.gnn.transformer.attention import Attention, Compare, Tokens, Windows, hits_in_window
from hitgraph.gnn.transformer.lines import (
    DISTANCES,
    LINE,
    Lines,
    best_lines,
    distances,
    fitted_lines,
    line_columns,
    on_better_lines,
)
from hitgraph.gnn.transformer.orders import by_azimuth, by_hashes, random_directions
from hitgraph.hits.columns import POSITION_FEATURES
from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.azimuths import AZIMUTHS
from hitgraph.nn.blocks import Standardise, logits_of, mlp

MAX_FREQUENCIES = 16  # 2^16 radians are known to a hundredth in 32 bits
POOL, BEHIND = 4, 1000.0  # times as many hits are compared as become candidates; logits
MAX_MASKS = 2**28  # entries of the masks of a phi sector, one gigabyte


@dataclass(frozen=True)
class TransformerNetworkSettings:
    """Sizes of the network."""

    hidden: int = 64  # width of the state of a hit and of a candidate
    heads: int = 4  # of every attention; they share the width
    layers: int = 4  # of the encoder
    attention: Literal["windows", "lsh"] = "windows"  # order of hits: azimuth, or hashes a layer
    window: float = 0.05  # share of a sector's hits in a block, which sees twice as many
    filter_cut: float = 0.05  # hits below it are dropped; 0.1 in arXiv 2411.07149
    decoder_layers: int = 3  # which improve the candidates
    candidates: float = 0.05  # share of a sector's hits, at most
    frequencies: int = 8  # sines and cosines of 1, 2, 4 ... times each input

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, heads=1, layers=0, decoder_layers=1)
        for key in ("window", "filter_cut", "candidates"):
            if not 0 < getattr(self, key) <= 1:
                raise SettingsError(f"{key}: {getattr(self, key)} is not in (0, 1]")
        if not 1 <= self.frequencies <= MAX_FREQUENCIES:
            raise SettingsError(
                f"frequencies: {self.frequencies} is not allowed, 1 to {MAX_FREQUENCIES}"
            )
        if self.hidden % self.heads:
            raise SettingsError(f"heads: {self.heads} do not share a width of {self.hidden}")

    def hits_in_window(self, n_hits: int) -> int:
        """Of a sector with so many."""
        return hits_in_window(self.window, n_hits)


class Found(NamedTuple):
    """What the network makes of the hits of a phi sector; all are logits, float32."""

    signal: Tensor  # (n_hits,) of a target
    first: Tensor  # (n_hits,) the first hit of one
    kept: Tensor  # (n_kept,) int64 hits that pass the filter
    begun: Tensor  # (n_candidates,) int64 hits, of these, that candidates began with
    tracks: Tensor  # (1 + decoder_layers, n_candidates) a candidate is a track
    masks: Tensor  # (1 + decoder_layers, n_candidates, n_kept) a hit is on it


class TransformerNetwork(nn.Module):
    """From the columns of hits to candidates with masks."""

    def __init__(self, settings: TransformerNetworkSettings, names: Sequence[str]) -> None:
        super().__init__()
        self.settings, width = settings, settings.hidden
        self.encode = Inputs(names, settings.frequencies, width)
        self.encoder = nn.ModuleList(
            EncoderLayer(width, settings.heads) for _ in range(settings.layers)
        )
        self.normalise = nn.LayerNorm(width)
        self.signal, self.first = mlp([width, width, 1]), mlp([width, width, 1])
        self.begin = nn.Linear(width, width)
        self.decoder = nn.ModuleList(
            DecoderLayer(width, settings.heads) for _ in range(settings.decoder_layers)
        )
        self.heads = Heads(width)
        n_masks = 1 + settings.decoder_layers
        self.fits = nn.ModuleList(mlp([DISTANCES, 16, 16, 1]) for _ in range(n_masks))
        self.lines = nn.ModuleList(nn.Linear(LINE, width) for _ in range(n_masks))
        hashed = settings.attention == "lsh"
        self.directions: Tensor | None
        directions = random_directions(settings.layers) if hashed else None
        self.register_buffer("directions", directions)

    def learn_inputs(self, features: Tensor) -> None:
        """Standardise by a sample of hits (n_hits, n_names)."""
        self.encode.learn(features)

    def forward(self, features: Tensor, *, first: Tensor | None = None) -> Found:
        """(n_hits, n_names) of a phi sector.

        `first` (n_hits,) bool are hits that pass the filter and become candidates in any case,
        while the network learns. Raises InputError where the masks would not fit into the memory,
        with their sizes.
        """
        position = self.encode.positions(features)
        near = Windows.of(by_azimuth(position), self.settings.hits_in_window(len(features)))
        with torch.no_grad():
            lines = best_lines(position.float(), near)
        hits = self.encode(features, lines)
        for layer, windows in zip(self.encoder, self._near(position, near), strict=True):
            hits = layer(hits, windows)
        hits = hits.with_state(self.normalise(hits.state))
        signal = logits_of(self.signal, hits.state)
        is_first = logits_of(self.first, hits.state)
        passes, rank = torch.sigmoid(signal) >= self.settings.filter_cut, is_first.detach()
        if first is not None:
            passes, rank = passes | first, rank.masked_fill(first, torch.inf)
        kept = torch.nonzero(passes).squeeze(1)
        n_candidates = min(ceil(self.settings.candidates * len(features)), len(kept))
        self._check_masks(n_candidates, len(kept))
        begun = best_apart(kept, rank, n_candidates, position.float(), lines)
        candidates = hits.take(begun)
        candidates = candidates.with_state(self.begin(candidates.state))
        tracks, masks = self._decode(candidates, lines.take(begun), hits.take(kept))
        return Found(signal, is_first, kept, begun, tracks, masks)

    def _near(self, position: Tensor, by_phi: Windows) -> list[Windows]:
        """For each layer of the encoder whom hits attend to."""
        if self.directions is None:
            return [by_phi] * len(self.encoder)
        window = self.settings.hits_in_window(len(position))
        orders = (by_hashes(position, one, window) for one in self.directions)
        return [Windows.of(order, window) for order in orders]

    def _decode(self, candidates: Tokens, lines: Lines, hits: Tokens) -> tuple[Tensor, Tensor]:
        """Logits of candidates and of their masks over the hits, before and after each layer."""
        first, near = candidates.position, candidates.position.new_zeros(1, 1)
        found: list[tuple[Tensor, Tensor]] = []
        for number, (line, fits) in enumerate(zip(self.lines, self.fits, strict=True)):
            if number:
                mask = found[-1][1].detach()
                lines = fitted_lines(first, hits.position, torch.sigmoid(mask))
            known = line(line_columns(first, lines))
            candidates = candidates.with_state(candidates.state + known)
            if number:
                candidates = self.decoder[number - 1](candidates, hits, mask)
            near = near + fits(distances(first, lines, hits.position)).squeeze(-1).float()
            found.append(self.heads(candidates, hits, near))
        tracks, masks = zip(*found, strict=True)
        return torch.stack(tracks), torch.stack(masks)

    def _check_masks(self, n_candidates: int, n_kept: int) -> None:
        n_masks = 1 + self.settings.decoder_layers
        n_entries = n_masks * n_candidates * n_kept
        if n_entries > MAX_MASKS:
            raise InputError(
                f"a phi sector with {n_kept} points behind the hit filter: the masks of "
                f"{n_candidates} candidates over them, {n_masks} times, would have {n_entries} "
                f"entries, at most {MAX_MASKS} are allowed: raise `sectors`, or lower "
                "`network.candidates`"
            )


def best_apart(kept: Tensor, rank: Tensor, n: int, position: Tensor, lines: Lines) -> Tensor:
    """(n,) int64 of the hits `kept`, those of highest rank; behind others, hits on their lines.

    rank (n_hits,), position (n_hits, 3), and the lines through all hits of the sector.
    """
    likely = kept[rank[kept].topk(min(POOL * n, len(kept))).indices]
    again = on_better_lines(position[likely], lines.take(likely), rank[likely])
    return likely[(rank[likely] - BEHIND * again).topk(n).indices]


class Inputs(nn.Module):
    """Hits as sines and cosines of multiples of their columns (arXiv 2003.08934, equation 4).

    Of the azimuths themselves, so that nothing jumps where they do, and of other columns
    standardised. Columns of its own are those of the line through the hit, and the azimuth at which
    that leaves the beam line: all hits of a track have the same.
    """

    def __init__(self, names: Sequence[str], frequencies: int, width: int) -> None:
        super().__init__()
        self.position = [list(names).index(name) for name in POSITION_FEATURES]
        self.angles = [names.index(name) for name in AZIMUTHS if name in names]
        self.others = [column for column in range(len(names)) if column not in self.angles]
        self.frequencies = frequencies
        self.standardise = Standardise(len(self.others))
        n_columns = len(self.others) + LINE
        n_waves = 2 * frequencies * (len(self.angles) + 1 + n_columns)
        self.layers = mlp([n_waves + n_columns, width, width])
        self.place = nn.Linear(n_waves, width, bias=False)

    def positions(self, features: Tensor) -> Tensor:
        """(n_hits, 3) r, phi, z of (n_hits, n_names)."""
        return features[:, self.position]

    def learn(self, features: Tensor) -> None:
        """Standardise by a sample (n_hits, n_names)."""
        self.standardise.learn(features[:, self.others])

    def forward(self, features: Tensor, lines: Lines) -> Tokens:
        """(n_hits, n_names) and the lines through them -> hits."""
        position = self.positions(features)
        columns = [self.standardise(features[:, self.others]), line_columns(position, lines)]
        plain = torch.cat(columns, dim=1)
        begins = position[:, 1] - lines.bend * position[:, 0]
        turning = torch.cat([features[:, self.angles], begins[:, None], plain], dim=1)
        multiples = 2.0 ** torch.arange(self.frequencies, device=features.device)
        angles = (turning[:, :, None] * multiples).flatten(1)
        waves = torch.cat([angles.sin(), angles.cos()], dim=1)
        states = self.layers(torch.cat([plain, waves], dim=1))
        return Tokens(states, self.place(waves), position)


class EncoderLayer(nn.Module):
    """Attention within windows, then an MLP on each hit; both normalise first and add."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attend = Attention(width, heads)
        self.think = mlp([width, 4 * width, width], nn.GELU)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, hits: Tokens, windows: Windows) -> Tokens:
        """Hits -> hits."""
        normal = hits.with_state(self.norms[0](hits.state))
        state = hits.state + self.attend(normal, normal, windows=windows)
        return hits.with_state(state + self.think(self.norms[1](state)))


class DecoderLayer(nn.Module):
    """Candidates attend to the hits of their masks, then to each other, then an MLP on each."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.to_hits = Attention(width, heads)
        self.to_others = Attention(width, heads)
        self.think = mlp([width, 4 * width, width], nn.GELU)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(self, candidates: Tokens, hits: Tokens, mask: Tensor) -> Tokens:
        """Candidates, hits and logits (n_candidates, n_kept) -> candidates."""
        on = mask.detach() > 0
        on = on | ~on.any(dim=1, keepdim=True)  # an empty mask sees everything
        state = candidates.state
        normal = candidates.with_state(self.norms[0](state))
        state = state + self.to_hits(normal, hits, mask=on)
        normal = candidates.with_state(self.norms[1](state))
        state = state + self.to_others(normal, normal)
        return candidates.with_state(state + self.think(self.norms[2](state)))


class Heads(nn.Module):
    """Whether a candidate is a track, and its mask: how alike it and each hit are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.normalise = nn.LayerNorm(width)
        self.track = mlp([width, width, 1])
        self.compare = Compare(width)
        self.bias = nn.Parameter(torch.tensor(-2.0))  # most hits are on another track

    def forward(self, candidates: Tokens, hits: Tokens, fits: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n_candidates,) and (n_candidates, n_kept), float32; `fits` is as the latter."""
        normal = candidates.with_state(self.normalise(candidates.state))
        wanted, offered = self.compare(normal, hits)
        with torch.autocast(wanted.device.type, enabled=False):  # as in logits_of
            alike = wanted.float() @ offered.float().T
        mask = alike / wanted.shape[1] ** 0.5 + fits + self.bias
        return logits_of(self.track, normal.state), mask
