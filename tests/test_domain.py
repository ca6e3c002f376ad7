"""Events like those of a training pass in silence; others are named, once of each kind."""

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from hitgraph.domain import (
    FULL_RING,
    MIN_MODULES,
    Domain,
    Observation,
    Watched,
    beam_crossings,
    beam_of,
    learn_domain,
    observe,
    silent_share,
)
from hitgraph.errors import InputError
from hitgraph.evaluation.metrics import truth_labels
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.known_detectors import BEAM
from hitgraph.event.source import list_events
from hitgraph.event.truth import particle_rows, require_particles
from hitgraph.hits import Hits, hits_from_event
from hitgraph.pipeline import Pipeline, Result
from hitgraph.state import State
from hitgraph.studies.readout import with_coarser_pixels

EventMaker = Callable[..., Event]


def detector_of(event: Event) -> Detector:
    assert event.detector is not None
    return event.detector


def perfect_state(event: Event, detector: Detector | None = None) -> State:
    """The event with the tracks that the truth has."""
    hits = hits_from_event(event, detector or detector_of(event))
    return State(hits, labels=torch.from_numpy(truth_labels(event).astype(np.int64)))


def moved(event: Event, z: float) -> Event:
    return replace(event, hits=replace(event.hits, z=event.hits.z + np.float32(z)))


@pytest.fixture(scope="module")
def domain(make_event: EventMaker) -> Domain:
    events = [make_event(n_particles=80, n_noise=20, seed=seed) for seed in range(4)]
    return learn_domain([observe(perfect_state(one), detector_of(one)) for one in events])


def test_where_particles_come_from_is_learnt(domain: Domain, event: Event) -> None:
    """From tracks of a beam spot of known width, some of them born elsewhere."""
    rng, detector = np.random.default_rng(0), detector_of(event)
    z0 = np.concatenate([rng.normal(10, 20, 4000), rng.uniform(-400, 400, 400)])
    learnt = learn_domain([Observation(1.0, z0, None, 0.1, {})])
    assert learnt.beam == pytest.approx((10 - 2.7 * 20, 10 + 2.7 * 20), abs=12)
    other = replace(detector, half_v=detector.half_v + 1)
    for one in (detector, other):
        assert beam_of(learnt, one, "any") == learnt.beam
    older = replace(domain, beam=None)
    assert beam_of(older, detector, "old") == beam_of(None, detector, "old") == BEAM
    with pytest.raises(InputError, match=r"^old: does not tell where along the beam line"):
        beam_of(older, other, "old")


@pytest.fixture(scope="module")
def event(make_event: EventMaker) -> Event:
    """Like those of the training, which had others."""
    return make_event(n_particles=80, n_noise=20, seed=9)


def kinds(domain: Domain, state: State, event: Event) -> list[str]:
    return list(domain.beyond(observe(state, detector_of(event))))


def test_tracks_meet_the_beam_line_where_their_particles_were_born(event: Event) -> None:
    state = perfect_state(event)
    assert state.labels is not None
    rows, labels = particle_rows(event), state.labels.numpy()
    vz = np.array([require_particles(event).vz[rows[labels == k][0]] for k in range(80)])
    crossings = beam_crossings(state)
    assert len(crossings) == 80
    # 5 um of resolution at 30 to 180 mm, and a helix that goes through the beam line itself
    np.testing.assert_allclose(crossings, vz, atol=0.2)


def test_an_event_like_the_training_says_nothing(domain: Domain, event: Event) -> None:
    assert kinds(domain, perfect_state(event), event) == []


def test_vertices_elsewhere_are_told_with_numbers(domain: Domain, event: Event) -> None:
    seen = observe(perfect_state(moved(event, 100.0)), detector_of(event))
    found = domain.beyond(seen)
    assert list(found) == ["vertices"]
    assert domain.z0 is not None
    assert "100% of its tracks" in found["vertices"]
    assert f"{domain.z0[0]:.0f} to {domain.z0[1]:.0f} mm" in found["vertices"]


def test_the_bundled_event_is_told_from_itself_moved_along_the_beam() -> None:
    (source,) = list_events([Path(str(files("hitgraph") / "demo_event"))])
    bundled = source.read(cells=False)
    detector = detector_of(bundled)
    found = []
    for one in (bundled, moved(bundled, 200.0)):
        labels = torch.from_numpy(truth_labels(one).astype(np.int64))
        found.append(observe(State(hits_from_event(one, detector, False), labels=labels), detector))
    domain = learn_domain(found[:1])
    assert domain.z0 is not None
    # a beam spot of 55 mm, and a few secondaries among some 200 tracks
    assert -800 < domain.z0[0] < -80 < 80 < domain.z0[1] < 800
    assert list(domain.beyond(found[0])) == []
    assert list(domain.beyond(found[1])) == ["vertices"]
    assert found[0].silent is not None
    assert found[0].silent < 0.01  # none is dead


def test_a_denser_event_is_told_by_how_much(domain: Domain, make_event: EventMaker) -> None:
    crowd = make_event(n_particles=320, n_noise=80)
    found = domain.beyond(observe(perfect_state(crowd), detector_of(crowd)))
    assert "density" in found
    assert float(found["density"].split()[2]) == pytest.approx(4, abs=1)


def test_hits_on_no_track_are_told(domain: Domain, event: Event) -> None:
    state = perfect_state(event)
    assert state.labels is not None
    half = torch.where(state.labels < 40, state.labels, -1)
    found = domain.beyond(observe(replace(state, labels=half), detector_of(event)))
    assert list(found) == ["tracks"]
    assert found["tracks"].startswith("53% of its hits")  # 180 of 340


def test_other_clusters_are_told(domain: Domain, event: Event) -> None:
    coarse, table = with_coarser_pixels(event, detector_of(event))
    found = domain.beyond(observe(perfect_state(coarse, table), table))
    assert list(found) == ["clusters"]
    assert "volume 8" in found["clusters"]


def even_hits(detector: Detector, dead: int, each: int) -> Hits:
    """As many hits on every module, none on the first `dead`."""
    module = torch.arange(dead, detector.n_modules).repeat_interleave(each)
    layer = torch.from_numpy(detector.layer)[module]
    nothing = torch.zeros(len(module), 3)
    return Hits(nothing, nothing, layer, module)


def test_dead_modules_are_counted_where_there_should_be_hits(tiny_event: Event) -> None:
    detector = detector_of(tiny_event)
    each = round(2 * FULL_RING)
    assert silent_share(even_hits(detector, 0, each), detector) == 0
    # The first layer has 7 rings of 8: four dead modules are half of the first ring.
    share = silent_share(even_hits(detector, 4, each), detector)
    assert share == pytest.approx(4 / detector.n_modules)
    assert detector.n_modules > MIN_MODULES
    assert silent_share(even_hits(detector, 4, 3), detector) is None


def test_dead_modules_are_told(domain: Domain, event: Event) -> None:
    seen = replace(observe(perfect_state(event), detector_of(event)), silent=0.1)
    assert list(domain.beyond(seen)) == ["modules"]


class Perfect:
    def run(self, event: Event) -> Result:
        state = perfect_state(event)
        assert state.labels is not None
        return Result(state.labels.numpy(), (), state)


def test_a_region_is_not_held_against_what_only_events_have(
    domain: Domain, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    """A quarter of the tracks are kept: most hits are on none."""

    class FewTracks(Perfect):
        def run(self, event: Event) -> Result:
            result = super().run(event)
            labels = torch.from_numpy(result.labels)
            labels = torch.where(labels < 20, labels, -1)
            return replace(result, state=result.state.with_labels(labels))

    Watched(FewTracks(), domain, detector_of(event), whole=False).run(event)
    assert caplog.messages == []
    Watched(FewTracks(), domain, detector_of(event)).run(event)
    assert any("of its hits are on no track" in message for message in caplog.messages)


def test_a_run_warns_once_of_each_kind(
    domain: Domain, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(Perfect(), domain, detector_of(event))
    assert watched.run(event).n_tracks == 80
    assert caplog.messages == []
    for name in ("first", "second"):
        watched.run(replace(moved(event, 100.0), name=name))
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("first: ")


def test_a_trained_pipeline_keeps_its_domain(tiny_pipeline: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    assert pipeline.domain is not None
    assert 0 < pipeline.domain.density[0] <= pipeline.domain.density[1]
    pipeline.save(tmp_path / "copy")
    assert Pipeline.load(tmp_path / "copy").domain == pipeline.domain


def test_older_pipelines_have_none_and_damaged_ones_are_refused(
    tiny_pipeline: Path, tmp_path: Path
) -> None:
    Pipeline.load(tiny_pipeline).save(tmp_path)
    path = tmp_path / "pipeline.yaml"
    content = yaml.safe_load(path.read_text())
    content["domain"]["density"] = "high"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"pipeline\.yaml: domain\.density: 'high'"):
        Pipeline.load(tmp_path)
    del content["domain"]
    path.write_text(yaml.safe_dump(content))
    assert Pipeline.load(tmp_path).domain is None
