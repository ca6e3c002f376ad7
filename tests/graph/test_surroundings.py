"""What lies around a hit: by slow counting, and where the answer is known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.lines import LINES, projected
from hitgraph.graph.surroundings import COLUMNS, SurroundingsSettings, surroundings
from hitgraph.hits import Hits, hits_from_event, with_columns
from hitgraph.simulate.worlds.lartpc.settings import LartpcSettings
from hitgraph.simulate.worlds.lartpc.simulator import LartpcSimulator
from hitgraph.stage import Context
from hitgraph.state import State

SMALL = LartpcSettings(drift=300, height=300, length=600, cosmics=1.0, seed=7)


def slow(points: Tensor, charge: Tensor, radius: float, i: int) -> list[float]:
    """COLUMNS of one point, in numpy and from the definitions."""
    at, q = points.double().numpy(), charge.double().numpy()
    near = np.linalg.norm(at - at[i], axis=1) <= radius
    way, share = (at[near] - at[i]) / radius, q[near] / q[near].sum()
    middle = share @ way
    moments = np.einsum("n,na,nb->ab", share, way - middle, way - middle)
    spread = np.linalg.eigvalsh(moments)
    line = spread[-1] / spread.sum() if spread.sum() > 1e-6 else 1.0
    return [np.log(q[near].sum()), *middle, np.linalg.norm(middle), line]


@settings(max_examples=50, deadline=None)
@given(n_points=st.integers(0, 25), seed=st.integers(0, 10**6))
def test_they_are_those_of_the_definitions(n_points: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    points = torch.randint(0, 9, (n_points, 3), generator=random).float()
    charge = torch.rand(n_points, generator=random) + 0.1
    found = surroundings(points, charge, 3.0)
    assert tuple(found) == COLUMNS
    for i in range(n_points):
        values = [float(found[name][i]) for name in COLUMNS]
        assert values == pytest.approx(slow(points, charge, 3.0, i), abs=2e-4)


def test_the_end_of_a_track_has_it_on_one_side_and_a_cloud_is_no_line() -> None:
    along = torch.arange(21.0)
    track = torch.stack([along, 2 * along, 0 * along], dim=1)
    found = surroundings(track, torch.ones(21), 10.0)
    torch.testing.assert_close(found["line"], torch.ones(21))
    assert float(found["off"][10]) < 1e-6
    assert float(found["off"][0]) > 0.4
    assert float(found["off"][20]) == pytest.approx(float(found["off"][0]))
    assert float(found["du"][0]) > 0 > float(found["du"][20])
    square = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    assert float(surroundings(square, torch.ones(5), 1.5)["line"][0]) == pytest.approx(0.5)


def test_planes_do_not_see_each_other_and_all_columns_are_there() -> None:
    event = LartpcSimulator(SMALL).event(2)
    assert event.detector is not None
    hits = hits_from_event(event, event.detector)
    asked = SurroundingsSettings(radii=(10.0, 40.0))
    stage = asked.load(Context(event.detector), {})
    after = stage(State(hits))
    assert asked.gives == {f"hit.{name}" for name in after.hit}
    assert bool((after.hit["around_40"] >= after.hit["around_10"]).all())
    assert not after.hit["dw_40"].any()
    rows = torch.nonzero(hits.layer == hits.layer[0]).squeeze(1)
    alone = stage(State(hits.select(rows)))
    for name, values in alone.hit.items():
        torch.testing.assert_close(values, after.hit[name][rows], rtol=1e-4, atol=1e-4)


def test_layers_of_a_line_from_the_origin_lie_behind_each_other() -> None:
    z = torch.tensor([300.0, 330.0, -600.0])
    position = torch.stack([0.1 * z, -0.2 * z, z], dim=1)
    layer = torch.tensor([4, 5, 6])
    hits = Hits(torch.zeros(3, 0), position, layer, layer, columns=())
    points = projected(with_columns(hits, LINES), 5.0)
    expected = torch.tensor([[30.0, -60.0, 20.0], [30.0, -60.0, 25.0], [30.0, -60.0, 30.0]])
    torch.testing.assert_close(points, expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radii": ()}, "radii: is empty"),
        ({"radii": (10.0, 0.0)}, r"radii: 0\.0 is not allowed, above 0"),
        ({"layer_step": -1.0}, r"layer_step: -1\.0 is not allowed, at least 0"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        SurroundingsSettings(**changes)  # type: ignore[arg-type]
