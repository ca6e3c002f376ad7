"""A whole comparison, resumable at any point."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hitgraph.compare.output import is_complete, summarise
from hitgraph.compare.plan import RUNS, Budget, Plan, Run, settings_of
from hitgraph.compare.run import Report, judge, teach
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.store import preset_of
from hitgraph.studies.output import Result, write
from hitgraph.studies.points import Point, measure
from hitgraph.training.place import clean
from hitgraph.workers import Workers


@dataclass(frozen=True)
class Comparison:
    """What came out, and where it stands."""

    result: Result
    paths: list[Path]  # the JSON file first
    failed: Mapping[str, str]  # run -> why
    preset: str | None  # of the test events


def compare(
    plan: Plan,
    budget: Budget,
    *,
    device: str,
    workers: Workers,
    resume: bool,
    force: bool,
    quiet: bool,
    report: Report,
) -> Comparison:
    """Teach and judge every run of the plan and write the table's numbers and the figure.

    Runs are taught by `workers` and judged one after another, so that their times do not
    disturb each other. Raises SettingsError where runs are there already and neither `resume` nor
    `force` is given.
    """
    runs = plan.out / RUNS
    if force:
        shutil.rmtree(runs, ignore_errors=True)
    elif runs.is_dir() and not resume:
        raise SettingsError(
            f"{plan.out}: a comparison was begun here: go on with --resume, begin anew with "
            "--force, or name another --out"
        )
    learn = partial(teach, plan, device, quiet)
    if workers.several:
        learn(report, plan.runs[0])
        silent = partial(learn, _unheard)
        for run, outcome in workers.share(silent, plan.runs[1:], plan.out):
            report(f"{run.key}: {outcome if isinstance(outcome, InputError) else 'taught'}")
    settings = settings_of(plan, budget) | {"device": device}

    def measured(run: Run) -> dict[str, Any]:
        return judge(plan, run, learn(report, run), device)

    points = [Point(run.key, partial(measured, run)) for run in plan.runs]
    found = measure(points, plan.out, settings, resume, force=force, is_complete=is_complete)
    for run in plan.runs:
        clean(plan.folder(run))
    result = summarise(list(found.done.values()), all_stages=not plan.shared)
    preset = preset_of(source.path for source in plan.test)
    paths = write(result, "compare", settings | {"preset": preset}, plan.out)
    return Comparison(result, paths, found.failed, preset)


def _unheard(_: str) -> None:
    """What a process of its own reports."""
