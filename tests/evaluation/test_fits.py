"""Fitted parameters: their file, the true ones, resolutions and pulls."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.errors import InputError
from hitgraph.evaluation.comparison import compare
from hitgraph.evaluation.fit_quality import combine_fits, fit_quality
from hitgraph.evaluation.fit_tables import fit_rows
from hitgraph.evaluation.metrics import truth_labels
from hitgraph.event.event import Event
from hitgraph.event.fits import FittedTracks, fits_path, read_fits, write_fits
from hitgraph.event.perigee import true_parameters
from hitgraph.event.source import list_events
from hitgraph.event.store import write_event
from hitgraph.event.trackml import write_submission

FIELD = 2.0  # Tesla


def made(parameters: np.ndarray, error: float = 0.1, field: float = FIELD) -> FittedTracks:
    n = len(parameters)
    covariance = np.tile(error**2 * np.eye(5), (n, 1, 1))
    covariance[:, 0, 1] = covariance[:, 1, 0] = 1e-4
    whole = np.arange(n)
    return FittedTracks(
        whole, whole + 5, whole + 0.5, 2 * whole, np.full(n, field), parameters, covariance
    )


def test_the_file_holds_every_number(tmp_path: Path) -> None:
    fits = made(np.random.default_rng(0).normal(size=(7, 5)))
    path = fits_path(tmp_path, "event000000001")
    write_fits(fits, path, "helix")
    again = read_fits(path)
    for name in ("track_id", "n_measurements", "chi2", "ndf", "field", "parameters", "covariance"):
        assert np.array_equal(getattr(fits, name), getattr(again, name))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "event1-fits.parquet"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"event1-fits\.parquet: not a parquet file"):
        read_fits(path)


@given(
    vertex=st.tuples(*[st.floats(-20, 20)] * 2, st.floats(-200, 200)),
    pt=st.floats(0.2, 50),
    phi=st.floats(-3.1, 3.1),
    slope=st.floats(-5, 5),
    charge=st.sampled_from([-1, 1]),
    turn=st.floats(-0.5, 0.5),
)
def test_every_point_of_a_helix_gives_the_same_parameters(
    vertex: tuple[float, ...], pt: float, phi: float, slope: float, charge: int, turn: float
) -> None:
    radius = pt / (0.299792458e-3 * FIELD * charge)  # mm, positive charges turn clockwise

    def at(angle: float) -> tuple[np.ndarray, np.ndarray]:
        x = vertex[0] + radius * (np.sin(phi) - np.sin(phi - angle))
        y = vertex[1] - radius * (np.cos(phi) - np.cos(phi - angle))
        direction = phi - angle
        momentum = [pt * np.cos(direction), pt * np.sin(direction), pt * slope]
        return np.array([[x, y, vertex[2] + radius * angle * slope]]), np.array([momentum])

    # radius x angle is the way gone, so a positive charge turns by a positive angle going forward
    here, there = at(0.0), at(turn)
    charges = np.array([charge])
    first, second = (true_parameters(*point, charges, FIELD)[0] for point in (here, there))
    np.testing.assert_allclose(first[0], second[0], atol=1e-6 * abs(radius))
    np.testing.assert_allclose(first[1], second[1], atol=1e-5 * abs(radius) * (1 + abs(slope)))
    assert np.cos(first[2] - second[2]) == pytest.approx(1)
    np.testing.assert_allclose(first[3:], second[3:], rtol=1e-9)


def test_a_straight_track_has_the_obvious_parameters() -> None:
    vertex, momentum = np.array([[0.0, 2.0, 5.0]]), np.array([[1e6, 0.0, 0.0]])
    (found,) = true_parameters(vertex, momentum, np.array([1]), FIELD)
    np.testing.assert_allclose(found, [2, 5, 0, np.pi / 2, 1e-6], atol=1e-5)


def true_fits(event: Event) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a perfect track finder, and the true parameters of its tracks."""
    assert event.particles is not None
    labels, p = truth_labels(event), event.particles
    vertex = np.stack([p.vx, p.vy, p.vz], 1).astype(float)
    momentum = np.stack([p.px, p.py, p.pz], 1).astype(float)
    return labels, true_parameters(vertex, momentum, p.q, FIELD)


def test_residuals_are_what_was_added(tiny_event: Event) -> None:
    labels, true = true_fits(tiny_event)
    quality = fit_quality(tiny_event, labels, made(true + 0.05))
    assert len(quality) == len(true)
    np.testing.assert_allclose(quality.pull, 0.5)
    np.testing.assert_allclose(quality.residual[:, :4], 0.05, atol=1e-9)
    np.testing.assert_allclose(quality.residual[:, 4] * true[:, 4], 0.05)


def test_true_parameters_are_those_in_the_field_of_the_fit(tiny_event: Event) -> None:
    """Born 1 mm off the beam line, a particle's d0 depends on how it turns on the way there."""
    assert tiny_event.particles is not None
    moved = replace(tiny_event.particles, vx=tiny_event.particles.vx + np.float32(1.0))
    event = replace(tiny_event, particles=moved)
    labels, true = true_fits(event)
    same = fit_quality(event, labels, made(true))
    weak = fit_quality(event, labels, made(true, field=FIELD / 2))
    assert np.abs(same.residual).max() < 1e-9
    np.testing.assert_allclose(weak.residual[:, 4], 0, atol=1e-9)  # charge over momentum
    assert np.abs(weak.residual[:, 0]).max() > 1e-5


def test_only_tracks_that_match_count(tiny_event: Event) -> None:
    labels, true = true_fits(tiny_event)
    labels = np.where(labels == 0, -1, labels)  # track 0 lost its hits
    assert len(fit_quality(tiny_event, labels, made(true))) == len(true) - 1


def test_events_add_up(tiny_event: Event) -> None:
    labels, true = true_fits(tiny_event)
    one = fit_quality(tiny_event, labels, made(true))
    two = combine_fits([one, one])
    assert (two.n_tracks, len(two)) == (2 * one.n_tracks, 2 * len(one))
    by_both = combine_fits([replace(one, method="kalman"), replace(one, method="helix")])
    rows = {row.name: row.cells for row in fit_rows({"a": one, "b": two, "c": by_both})}
    assert rows["fitted by"] == ("-", "-", "helix and kalman")
    assert rows["fitted tracks"] == (str(one.n_tracks), *[str(two.n_tracks)] * 2)
    assert rows["resolution of d0"] == ("0 um",) * 3


def test_who_fitted_is_read_off_the_file(tmp_path: Path, tiny_event: Event) -> None:
    labels, true = true_fits(tiny_event)
    write_event(tiny_event, tmp_path / "truth")
    hit_id = tiny_event.hits.hit_id
    write_submission(
        tmp_path / "a" / f"{tiny_event.name}-tracks.csv", tiny_event.name, hit_id, labels
    )
    write_fits(made(true), fits_path(tmp_path / "a", tiny_event.name), "helix")
    found = compare([tmp_path / "a"], list_events([tmp_path / "truth"]))
    assert found.fits["a"].method == "helix"
