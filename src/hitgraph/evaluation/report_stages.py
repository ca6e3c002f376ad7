"""The stages of a pipeline in the report: times, edges, scores."""

import re
from collections.abc import Mapping, Sequence

from hitgraph.evaluation.edges import ScoreHistogram
from hitgraph.evaluation.plots import score_figure, timing_figure
from hitgraph.evaluation.report_page import Block, Pictures
from hitgraph.evaluation.run_summary import RunSummary, StageSummary
from hitgraph.evaluation.tables import NOTHING, Row

STAGE_HEADER = (
    "stage",
    "s / event",
    "edges",
    "edge efficiency",
    "of targets",
    "edge purity",
    "weighted purity",
)


def stage_blocks(
    runs: Mapping[str, RunSummary], columns: Sequence[str], pictures: Pictures
) -> list[Block]:
    """Times and edges of the stages of each pipeline whose run is known, and scores of edges."""
    if not runs:
        return []
    blocks = [
        Block(
            f"Stages of {name}",
            f"Mean over {run.n_events} event{'s' * (run.n_events > 1)}{_clock(run)} True edges "
            "join consecutive hits of a particle; targets are the particles that the truth of the "
            "recipe selects; an edge is pure when both hits belong to one particle; weighted as in "
            "arXiv 2103.06995, equation 4.",
            header=STAGE_HEADER,
            rows=(
                *(_stage_row(stage) for stage in run.stages),
                Row("all", (f"{run.seconds:.3f}", *("" for _ in STAGE_HEADER[2:]))),
            ),
        )
        for name, run in runs.items()
    ]
    made = [
        pictures.picture(
            timing_figure({name: runs.get(name) for name in columns}),
            "times",
            "Wall time of each stage, mean over events: a colour a pipeline, a shade a stage.",
        )
    ]
    for stage in dict.fromkeys(stage.name for run in runs.values() for stage in run.stages):
        histograms = {name: _scores_of(runs.get(name), stage) for name in columns}
        if any(histograms.values()):
            made.append(
                pictures.picture(
                    score_figure(histograms),
                    f"scores-{re.sub(r'[^A-Za-z0-9_]+', '-', stage)}",
                    f"Scores given to edges by the stage “{stage}”, and what a cut on them keeps. "
                    "True: both hits of one particle.",
                    wide=True,
                )
            )
    return [*blocks, Block("Time and edge scores", pictures=tuple(made))]


def _clock(run: RunSummary) -> str:
    """What to know about the times of a run."""
    if run.threads is None:  # of an older version, which noted neither
        return "."
    said = f", with {run.threads} thread{'s' * (run.threads > 1)} a process."
    if run.compile_seconds:
        return (
            f"{said} In the times of stages are {run.compile_seconds:.3g} s an event in which "
            "kernels were compiled, which a second run does without."
        )
    return f"{said} Kernels were compiled before, in no stage's time."


def _scores_of(run: RunSummary | None, stage: str) -> ScoreHistogram | None:
    stages = () if run is None else run.stages
    return next((one.scores for one in stages if one.name == stage), None)


def _stage_row(stage: StageSummary) -> Row:
    quality = stage.quality
    edges = quality.get("edges")
    percentages = (
        f"{100 * quality[key]:.2f} %" if key in quality else NOTHING
        for key in ("efficiency", "target_efficiency", "purity", "weighted_purity")
    )
    return Row(
        stage.name,
        (f"{stage.seconds:.3f}", NOTHING if edges is None else f"{edges:,.0f}", *percentages),
    )
