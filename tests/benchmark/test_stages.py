"""The measurements themselves, in this process: what they hold, not how long it took."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hitgraph.benchmark.growth import SizesJob, exponents, make_events
from hitgraph.benchmark.reference import (
    ReferenceJob,
    latent_points,
    measure_reference,
    radius_for,
)
from hitgraph.benchmark.stages import (
    StageJob,
    measure_stages,
    without_truth,
)
from hitgraph.benchmark.throughput import (
    Layout,
    ThroughputJob,
    cpu_layouts,
    gpu_layouts,
    keep_going,
)
from hitgraph.evaluation.metrics import evaluate
from hitgraph.event.source import list_events
from hitgraph.gnn.interaction import InteractionSettings
from hitgraph.graph.filter import FilterSettings
from hitgraph.graph.neighbours import radius_pairs
from hitgraph.graph.radius.embedding import EmbeddingSettings
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import read_recipe

ROOT = Path(__file__).parents[2]
LINE: Any = None  # nobody at the other end


class Line:
    """The other end of a line that says go at once."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, word: Any) -> None:
        self.sent.append(word)

    def recv(self) -> str:
        return "go"


def quiet(_text: str) -> None:
    pass


@pytest.fixture(scope="module")
def job(tiny_store: Path, tiny_pipeline: Path) -> StageJob:
    sources = tuple(list_events([tiny_store])[:2])
    return StageJob(str(tiny_pipeline), sources, "cpu", 1, 2)


@pytest.fixture(scope="module")
def part(job: StageJob) -> dict[str, Any]:
    return measure_stages(job, quiet, LINE)


def test_every_stage_of_every_event_has_a_time_for_each_repeat(part: dict[str, Any]) -> None:
    assert len(part["events"]) == 2
    for event in part["events"]:
        stages = event["stages"]
        assert next(iter(stages)) == "read"
        assert list(stages)[-1] == "all"
        assert {"features", "graph", "filter", "gnn", "tracks"} <= set(stages)
        for readings in stages.values():
            assert {len(column) for column in readings.values()} == {2}
        for clock in ("wall", "cpu"):
            inside = sum(np.array(stages[name][clock]) for name in stages if name != "all")
            assert (inside <= np.array(stages["all"][clock])).all()


def test_the_quality_is_that_of_the_pipeline_on_these_events(
    part: dict[str, Any], job: StageJob
) -> None:
    pipeline = Pipeline.load(job.pipeline)
    scores = [
        evaluate(event, pipeline.run(event).labels).score
        for event in (source.read() for source in job.sources)
    ]
    assert part["quality"]["trackml_score"]["value"] == pytest.approx(np.mean(scores))
    primaries = part["quality"]["trackml_score_primaries"]["value"]
    assert primaries == pytest.approx(np.mean(scores))  # all particles are
    assert part["quality"]["n_events"] == 2
    assert [event["score"] for event in part["events"]] == pytest.approx(scores)


def test_only_hits_and_cells_are_read_in_the_timed_part(job: StageJob) -> None:
    event = without_truth(job.sources[0]).read()
    assert event.cells is not None
    assert event.truth is None
    assert event.particles is None


def test_events_without_truth_are_measured_but_not_judged(job: StageJob) -> None:
    blind = replace(job, sources=(without_truth(job.sources[0]),), repeats=1)
    part = measure_stages(blind, quiet, LINE)
    assert part["quality"] is None
    assert part["events"][0]["score"] is None


def test_growth_measures_events_of_the_wanted_sizes(job: StageJob, tmp_path: Path) -> None:
    made = make_events(SizesJob(job, (40, 80, 120), tmp_path), quiet, LINE)
    sources = list_events([tmp_path])
    assert [source.number for source in sources] == [40, 80, 120]
    assert set(made) == {source.name for source in sources}
    part = measure_stages(replace(job, sources=tuple(sources), repeats=1), quiet, LINE)
    sizes = [event["n_hits"] for event in part["events"]]
    assert sizes == pytest.approx([40, 80, 120], abs=5)
    fits = exponents(part["events"], [1.0, 1.0, 1.0])
    assert list(fits)[-1] == "all"
    assert fits["all"]["steady"] == fits["all"]["cpu"]
    slow_at_last = exponents(part["events"], [1.0, 2.0, 3.0])  # times of a linear growth
    assert slow_at_last["all"]["cpu"] == fits["all"]["cpu"]
    assert slow_at_last["all"]["steady"]["exponent"] == pytest.approx(
        fits["all"]["cpu"]["exponent"] - 1, abs=0.1
    )
    assert set(fits) == set(part["events"][0]["stages"])


@pytest.mark.parametrize(("in_flight", "share"), [(1, 1.0), (2, 0.5)])
def test_throughput_goes_on_until_the_time_is_over(
    job: StageJob, in_flight: int, share: float
) -> None:
    line: Any = Line()
    layout = Layout(1, 1, in_flight, share)
    found = keep_going(ThroughputJob(job, layout, 0, (), 0.3), quiet, line)
    assert line.sent == [("ready", None)]
    assert found["wall"] >= 0.3
    assert found["events"] >= in_flight
    mean = np.mean([source.read().n_hits for source in job.sources])
    assert found["hits"] / found["events"] == pytest.approx(share * mean, rel=0.3)


def test_layouts_use_the_cores_there_are() -> None:
    assert [layout.cores for layout in cpu_layouts(1)] == [1, 1]
    assert all(layout.cores <= 2 for layout in cpu_layouts(2))
    assert {layout.processes for layout in cpu_layouts(2)} == {1, 2}
    for n in (1, 2, 16):
        layouts = gpu_layouts(n)
        assert {layout.in_flight for layout in layouts} > {1, 2}
        assert all(layout.cores <= n for layout in layouts)
        assert len({layout.name for layout in layouts}) == len(layouts)


def test_the_reference_sizes_are_those_of_the_recipe() -> None:
    """So that the constants in benchmark/reference.py do not drift from recipes/reference.yaml."""
    recipe = read_recipe(ROOT / "recipes" / "reference.yaml")
    settings: dict[str, Any] = {step.name: step.settings for step in recipe.stages}
    assert settings["graph"].network == EmbeddingSettings(hidden=512, layers=6)
    assert settings["filter"].network == FilterSettings(hidden=1024, layers=3, inputs="hits")
    assert settings["gnn"].network == InteractionSettings(64, 128, 8, residual=False, gated=False)


def test_the_reference_sizes_are_measured_on_as_many_edges_as_asked_for(job: StageJob) -> None:
    part = measure_reference(ReferenceJob(job, share=0.002), quiet, LINE)
    assert part["n_hits"] == 220
    assert part["edges"]["filter"] == 2000
    assert set(part["stages"]) == {"embed", "graph", "filter", "gnn", "tracks", "all"}


@pytest.mark.parametrize("neighbours", [3.0, 30.0])
def test_synthetic_latents_have_about_the_wanted_number_of_neighbours(neighbours: float) -> None:
    points = latent_points(2_000, 8, seed=1)
    assert points.shape == (2_000, 8)
    pairs = radius_pairs(torch.from_numpy(points), radius_for(points, neighbours))
    assert 2 * pairs.shape[1] / len(points) == pytest.approx(neighbours, rel=0.15)
