"""The transformer: windows and losses by slow references, what does not change its masks."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.event import Event
from hitgraph.event.turned import turned_event
from hitgraph.gnn.transformer import losses, network
from hitgraph.gnn.transformer.attention import Attention, Tokens, Windows
from hitgraph.gnn.transformer.lesson import first_hits, renumbered, transformer_loss
from hitgraph.gnn.transformer.lines import (
    best_lines,
    distances,
    fitted_lines,
    line_columns,
    on_better_lines,
)
from hitgraph.gnn.transformer.network import (
    Found,
    TransformerNetwork,
    TransformerNetworkSettings,
)
from hitgraph.gnn.transformer.orders import by_azimuth, by_hashes, random_directions
from hitgraph.gnn.transformer.sectors import sectors_of
from hitgraph.gnn.transformer.stage import TransformerSettings, TransformerStage, likeliest
from hitgraph.hits import hits_from_event
from hitgraph.stage import Context
from hitgraph.state import State, logit

NAMES = ("r", "phi", "z")
SMALL = TransformerNetworkSettings(
    hidden=16, heads=2, layers=2, window=0.1, decoder_layers=2, candidates=0.15, frequencies=3
)


def random_hits(n_hits: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    r, phi, z = torch.rand(3, n_hits, generator=random)
    return torch.stack([30 + 1000 * r, (2 * phi - 1) * math.pi, 2000 * z - 1000], dim=1)


def small_network(**changes: Any) -> TransformerNetwork:
    torch.manual_seed(0)
    made = TransformerNetwork(replace(SMALL, **changes), NAMES).eval()
    made.learn_inputs(random_hits(100))
    return made


@settings(max_examples=60, deadline=None)
@given(n_hits=st.integers(1, 60), half=st.integers(1, 8), seed=st.integers(0, 10**6))
def test_windows_are_attention_to_those_near_by_on_the_ring(
    n_hits: int, half: int, seed: int
) -> None:
    """By attention to all with a mask that has the rows from half a window before a block on."""
    window = 2 * half
    torch.manual_seed(seed)
    attention = Attention(8, 2)
    hits = Tokens(torch.randn(n_hits, 8), torch.randn(n_hits, 8), torch.zeros(n_hits, 3))
    order = torch.randperm(n_hits)
    rank = torch.argsort(order)
    ahead = (rank[None] - (rank[:, None] // window * window - half)) % n_hits
    mask = (ahead < 2 * window) | torch.tensor(n_hits <= 2 * window)
    found = attention(hits, hits, windows=Windows.of(order, window))
    torch.testing.assert_close(found, attention(hits, hits, mask=mask), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attention", ["windows", "lsh"])
@pytest.mark.parametrize("n_hits", [0, 1, 7, 80])
def test_the_order_of_hits_does_not_matter(n_hits: int, attention: str) -> None:
    made, hits = small_network(attention=attention), random_hits(n_hits)
    order = torch.randperm(n_hits, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, again = made(hits), made(hits[order])
    torch.testing.assert_close(again.signal, found.signal[order], rtol=1e-4, atol=1e-5)
    assert set(order[again.kept].tolist()) == set(found.kept.tolist())
    place = {hit: column for column, hit in enumerate(found.kept.tolist())}
    columns = torch.tensor([place[hit] for hit in order[again.kept].tolist()], dtype=torch.int64)
    torch.testing.assert_close(again.tracks, found.tracks, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(again.masks, found.masks[:, :, columns], rtol=1e-3, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(n_hits=st.integers(0, 200), half=st.integers(1, 8), seed=st.integers(0, 10**6))
def test_an_order_by_hashes_has_every_hit_once_and_no_end_at_pi(
    n_hits: int, half: int, seed: int
) -> None:
    hits = random_hits(n_hits, seed).double()
    torch.manual_seed(seed)
    directions = random_directions(1)[0].double()
    order = by_hashes(hits, directions, 2 * half)
    assert sorted(order.tolist()) == list(range(n_hits))
    turned = hits + torch.tensor([0.0, 2 * math.pi, 0.0])
    assert by_hashes(turned, directions, 2 * half).tolist() == order.tolist()


def test_mixed_precision_does_not_change_an_order_by_hashes() -> None:
    torch.manual_seed(0)
    hits, directions = random_hits(200), random_directions(1)[0]
    with torch.autocast("cpu", torch.bfloat16):
        order = by_hashes(hits, directions, 8)
    assert order.tolist() == by_hashes(hits, directions, 8).tolist()


def test_an_order_by_hashes_sees_more_of_tracks_from_the_origin_than_one_by_azimuth() -> None:
    """Straight tracks in z, bent by 50 mrad: many others have these azimuths, few the direction."""
    torch.manual_seed(0)
    n_tracks, r = 2000, torch.tensor([30.0, 70.0, 120.0, 170.0])
    phi, eta = 2 * math.pi * torch.rand(n_tracks, 1), 6 * torch.rand(n_tracks, 1) - 3
    bend = 0.05 * r / 170 * torch.randn(n_tracks, 1).sign()
    columns = (r.expand(n_tracks, 4), phi + bend, r * eta.sinh())
    hits = torch.stack([one.flatten() for one in columns], dim=1)
    track = torch.arange(n_tracks).repeat_interleave(4)

    def seen(order: Tensor) -> float:
        windows = Windows.of(order, 16)
        of_same = track[windows.own][:, :, None] == track[windows.seen][:, None]
        return float(of_same.sum()) / (4 * len(hits))

    hashed = [seen(by_hashes(hits, one, 16)) for one in random_directions(5)]
    assert min(hashed) > seen(by_azimuth(hits)) + 0.05


def test_mixed_precision_changes_little_and_leaves_logits_in_32_bits() -> None:
    made, hits = small_network(), random_hits(80)
    with torch.no_grad():
        found = made(hits)
        with torch.autocast("cpu", torch.bfloat16):
            again = made(hits)
            loss = transformer_loss(again, torch.arange(80) // 5, torch.zeros(80))
    assert {one.dtype for one in (*again[:2], *again[4:])} == {torch.float32}
    torch.testing.assert_close(again.signal, found.signal, rtol=0.05, atol=0.05)
    torch.testing.assert_close(again.first, found.first, rtol=0.05, atol=0.05)
    assert math.isfinite(loss.item())


def test_hits_below_the_filter_are_on_no_mask() -> None:
    made = small_network()
    with torch.no_grad():  # the middle one of the hits is at the cut
        made.signal[-1].bias -= made(random_hits(80)).signal.median() - logit(SMALL.filter_cut)
        found = made(random_hits(80))
    passes = torch.sigmoid(found.signal) >= SMALL.filter_cut
    assert 0 < int(passes.sum()) < 80
    assert found.kept.tolist() == torch.nonzero(passes).squeeze(1).tolist()
    assert found.masks.shape == (3, min(12, len(found.kept)), len(found.kept))


def test_masks_that_do_not_fit_are_refused_with_the_number_of_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "MAX_MASKS", 3 * 12 * 79)
    with pytest.raises(
        InputError, match=r"80 points .* 12 candidates .* 2880 entries, at most 2844"
    ):
        small_network()(random_hits(80))


def test_the_loss_of_a_mask_is_that_of_the_formulas() -> None:
    mask, truth = torch.tensor([[1.2, -0.3, 0.4]]), torch.tensor([[1.0, 1.0, 0.0]])
    p = torch.sigmoid(mask)[0].tolist()
    focal = -((1 - p[0]) ** 2) * math.log(p[0]) - (1 - p[1]) ** 2 * math.log(p[1])
    focal -= p[2] ** 2 * math.log(1 - p[2])
    dice = 1 - (2 * (p[0] + p[1]) + 1) / (sum(p) + 2 + 1)
    wanted = losses.FOCAL * focal / 2 + losses.DICE * dice
    assert float(losses.mask_loss(mask, truth)) == pytest.approx(wanted, rel=1e-5)


def test_a_candidate_is_held_to_the_object_of_its_hit() -> None:
    """Of the candidates of two objects and of noise, masks of the right hits cost next to nothing;
    the masks of the two exchanged cost much, and that of the noise counts for nothing."""
    owner, first = torch.tensor([0, 0, 1, 1, -1]), torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0])
    begun, right = torch.tensor([0, 3, 4]), torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]])
    signal, tracks = 20.0 * (2 * (owner >= 0) - 1), torch.tensor([[20.0, 20.0, -20.0]])

    def loss(*masks: Tensor) -> float:
        logits = 20.0 * (2 * torch.stack([*masks, torch.rand(5).round()])[None] - 1)
        found = Found(signal, 20 * (2 * first - 1), torch.arange(5), begun, tracks, logits)
        return float(transformer_loss(found, owner, first))

    assert loss(*right) == pytest.approx(0, abs=1e-4)
    assert loss(*right.flip(0)) > losses.DICE / 2


def test_of_candidates_for_one_track_the_likeliest_is_left() -> None:
    """0 holds 1, which holds 2; 2 stays, since what held it is gone. 3 holds all and comes last."""
    chance, holds = torch.tensor([0.9, 0.8, 0.7, 0.1]), torch.eye(4, dtype=torch.bool)
    holds[0, 1] = holds[1, 2] = True
    holds[3] = True
    assert likeliest(chance, holds).tolist() == [True, False, True, True]


def test_first_hits_are_candidates_in_training_whatever_the_network_says() -> None:
    made, hits, first = small_network(), random_hits(80), torch.zeros(80, dtype=torch.bool)
    first[[3, 40, 77]] = True
    with torch.no_grad():
        made.signal[-1].bias.fill_(-100.0)
        assert not len(made(hits).kept)
        found = made(hits, first=first)
    assert found.kept.tolist() == sorted(found.begun.tolist()) == [3, 40, 77]


def helix_hits(bend: float, slope: float, z0: float, phi0: float = 3.0) -> Tensor:
    """Five hits, azimuth and z linear in r, across the azimuth pi."""
    r = torch.tensor([32.0, 72.0, 116.0, 150.0, 172.0])
    phi = (phi0 + bend * r + math.pi) % (2 * math.pi) - math.pi
    return torch.stack([r, phi, z0 + slope * r], dim=1)


@settings(max_examples=30, deadline=None)
@given(
    bend=st.floats(-3e-4, 3e-4), slope=st.floats(-3, 3), z0=st.floats(-100, 100), seed=st.integers()
)
def test_hits_of_a_track_vote_for_its_line_among_others(
    bend: float, slope: float, z0: float, seed: int
) -> None:
    track = helix_hits(bend, slope, z0)
    arc = torch.asin(bend * track[:, 0]) / bend if abs(bend) > 1e-6 else track[:, 0]
    track[:, 1] = 3.0 + bend * arc  # on a circle through the beam line
    track[:, 2] = z0 + slope * arc
    hits = torch.cat([track, random_hits(20, seed % 10**6) + torch.tensor([300.0, 0, 0])]).double()
    lines = best_lines(hits, Windows.of(by_azimuth(hits), 64))
    assert (lines.votes[:5] >= 3 - 1e-6).all()
    torch.testing.assert_close(lines.bend[:5], torch.full((5,), bend).double(), rtol=0, atol=2e-6)
    tangent = torch.full((5,), slope).double()
    torch.testing.assert_close(lines.angle[:5].tan(), tangent, rtol=2e-3, atol=2e-3)


def test_hits_on_the_line_of_a_better_one_come_last() -> None:
    """Of two tracks and a hit apart, the best of each track and that hit are on none."""
    hits = torch.cat([helix_hits(1e-4, 0.5, 10.0), helix_hits(-2e-4, 0.8, 10.0), random_hits(1)])
    lines = best_lines(hits, Windows.of(by_azimuth(hits), 64))
    rank = torch.tensor([1.0, 5, 2, 3, 4, 6, 9, 8, 7, 0, -1])
    on = on_better_lines(hits, lines, rank)
    assert torch.nonzero(~on).squeeze(1).tolist() == [1, 6, 10]
    best = network.best_apart(torch.arange(11), rank, 4, hits, lines)
    assert best.tolist() == [6, 1, 10, 7]


@pytest.mark.parametrize("n_hits", [0, 1, 40])
def test_a_hit_that_no_other_agrees_with_points_to_the_origin(n_hits: int) -> None:
    """All at one place: none is of another layer."""
    hits = torch.tensor([[30.0, 1.0, 60.0]]).expand(n_hits, 3)
    lines = best_lines(hits, Windows.of(by_azimuth(hits), 8))
    assert (lines.votes == 0).all()
    assert (lines.bend == 0).all()
    torch.testing.assert_close(lines.angle.tan(), torch.full((n_hits,), 2.0))


@settings(max_examples=30, deadline=None)
@given(bend=st.floats(-3e-4, 3e-4), slope=st.floats(-20, 20), z0=st.floats(-100, 100))
def test_the_line_of_a_mask_goes_through_its_hits(bend: float, slope: float, z0: float) -> None:
    track = helix_hits(bend, slope, z0).double()
    hits, share = torch.cat([track, random_hits(9).double()]), torch.zeros(1, 14).double()
    share[:, :5] = 1
    lines = fitted_lines(track[:1], hits, share)
    assert float(distances(track[:1], lines, hits)[0, :5, :2].abs().max()) < 0.01
    assert float(distances(track[:1], lines, hits)[0, 5:, :2].abs().sum(dim=1).min()) > 1
    beam = line_columns(track[:1], lines)[0]
    assert float(beam[0]) == pytest.approx(2000 * bend, abs=1e-3)
    assert float(beam[1]) == pytest.approx(math.asinh(slope), abs=1e-3)
    assert float(beam[2]) == pytest.approx(0.02 * z0, abs=0.01)


def test_an_azimuth_and_a_full_turn_more_are_the_same() -> None:
    inputs, hits = network.Inputs(NAMES, 6, 8), random_hits(20)
    turned = hits + torch.tensor([0.0, 2 * math.pi, 0.0])
    first, again = (
        inputs(one, best_lines(one, Windows.of(by_azimuth(hits), 64))) for one in (hits, turned)
    )
    torch.testing.assert_close(again.place, first.place, rtol=1e-3, atol=1e-3)


def test_short_objects_go_and_the_others_have_one_first_hit() -> None:
    owner = renumbered(torch.tensor([7, 7, -1, 9, 7, 4, 4, 4]), 3)
    assert owner.tolist() == [1, 1, -1, -1, 1, 0, 0, 0]
    step = torch.tensor([2, 1, 0, 0, 3, 5, 6, 4], dtype=torch.int32)
    assert first_hits(owner, step).tolist() == [0, 1, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("owner", [[], [-1, -1, -1], [0, 0, 0]])
def test_sectors_with_next_to_nothing_have_a_finite_loss(owner: list[int]) -> None:
    made = small_network()
    found = made(random_hits(len(owner)))
    loss = transformer_loss(found, torch.tensor(owner, dtype=torch.int64), torch.zeros(len(owner)))
    loss.backward()
    assert math.isfinite(loss.item())


def test_every_hit_is_in_one_sector_and_its_margins_in_others() -> None:
    hits, margin = random_hits(300), 0.2
    seen = torch.zeros(300)
    for sector in sectors_of(hits, NAMES, 6, margin):
        assert float(sector.phi.abs().max()) <= math.pi / 6 + margin
        torch.testing.assert_close(sector.features[:, 1], sector.phi)
        torch.testing.assert_close(sector.features[:, [0, 2]], hits[sector.rows][:, [0, 2]])
        seen[sector.rows[sector.phi.abs() < math.pi / 6]] += 1
    assert (seen == 1).all()


def stage_of(event: Event, **changes: Any) -> TransformerStage:
    assert event.detector is not None
    torch.manual_seed(0)
    chosen = TransformerSettings(network=SMALL, margin=0.2, **changes)
    made = chosen.build().eval()
    made.learn_inputs(hits_from_event(event, event.detector, clusters=False).features)
    made.heads.bias.data += 2.5  # untrained masks hold next to nothing
    return TransformerStage(Context(event.detector), chosen, made, 0.0)


def test_an_event_turned_by_sectors_has_the_same_tracks(make_event: Callable[..., Event]) -> None:
    event = make_event(n_particles=20, n_noise=10, seed=1)
    stage = stage_of(event, sectors=6, min_hits=1)
    assert event.detector is not None
    labels = []
    for turned in (event, turned_event(event, 2 * math.pi / 6)):
        state = State(hits_from_event(turned, event.detector, clusters=False))
        labels.append(stage(state).labels)
    first, again = labels
    assert first is not None
    assert again is not None
    assert len(first.unique()) > 3
    pairs = torch.stack([first, again]).unique(dim=1)
    assert pairs.shape[1] == len(first.unique()) == len(again.unique())


def test_tracks_have_enough_hits_and_a_high_score(make_event: Callable[..., Event]) -> None:
    event = make_event(n_particles=30, n_noise=10, seed=1)
    stage = stage_of(event, sectors=2)
    assert event.detector is not None
    state = State(hits_from_event(event, event.detector, clusters=False))
    masks = stage.masks(state)
    middle = float(masks.track[masks.mask >= 0].median())
    labels = replace(stage, cut=middle)(state).labels
    assert labels is not None
    assert (torch.bincount(labels[labels >= 0]) >= 3).all()
    assert bool((masks.track[labels >= 0] >= middle).all())
    assert 0 < int((labels >= 0).sum()) < int((masks.mask >= 0).sum())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hit_inputs": ("r", "z")}, "hit_inputs: r, phi and z have to be among them"),
        ({"hit_inputs": ("px",)}, "hit_inputs: 'px' is not allowed; any of r, phi"),
        ({"hit_inputs": ("position", "geta"), "reflect": True}, "hit_inputs: 'geta' has no mirror"),
        ({"sectors": 0}, "sectors: 0 is not allowed, at least 1"),
        ({"margin": -0.1}, "margin: -0.1 is not allowed, at least 0"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TransformerSettings(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 10, "heads": 4}, "heads: 4 do not share a width of 10"),
        ({"window": 0.0}, r"window: 0.0 is not in (0, 1]"),
        ({"filter_cut": 1.5}, r"filter_cut: 1.5 is not in (0, 1]"),
        ({"frequencies": 17}, "frequencies: 17 is not allowed, 1 to 16"),
        ({"candidates": 12}, r"candidates: 12 is not in (0, 1]"),
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        TransformerNetworkSettings(**changes)
