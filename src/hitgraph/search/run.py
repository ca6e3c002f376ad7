"""A whole search, which any number of processes may share and go on with at any point."""

import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitgraph.compare.plan import require_unseen
from hitgraph.compare.run import Report
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.source import EventSource
from hitgraph.event.store import preset_of
from hitgraph.search.locks import locked
from hitgraph.search.output import Outcome, result_of, write_recipes
from hitgraph.search.plan import Search
from hitgraph.search.standing import ended, n_taken, revive
from hitgraph.search.store import (
    begin_study,
    check_identity,
    existing_study,
    forget_study,
    open_study,
)
from hitgraph.search.trial import Worker, judge_itself
from hitgraph.search.verdict import with_test
from hitgraph.studies.output import Result, write
from hitgraph.training.place import clean
from hitgraph.workers import Workers


@dataclass(frozen=True)
class Found:
    """What came out, and where it stands."""

    result: Result
    paths: list[Path]  # the JSON file first
    failed: list[str]  # why trials came to nothing
    preset: str | None  # of the events that judge


def search_recipes(
    search: Search,
    space: Mapping[str, Any],
    test: list[EventSource],
    *,
    workers: Workers,
    resume: bool,
    force: bool,
    report: Report,
) -> Found:
    """Do trials until as many as wanted have ended, and write what came out.

    `space` is the content of its file. The recipe itself and the best are judged on the `test`
    events, which nothing was chosen by. Raises SettingsError where a search is there already and
    neither `resume` nor `force` is given, or where the one in the store is another.
    """
    require_unseen((*search.plan.train, *search.plan.test), test)
    _begin(search, space, resume, force)
    judge_itself(search, report)
    n_revived = revive(search)
    if n_revived:
        report(f"{n_revived} trials whose worker had ended are done again")
    study = existing_study(search.store, search.name)
    n_left = search.n_trials - len(ended(study.trials))
    broken: list[str] = []  # why workers came to nothing
    worker = Worker(search, unheard if workers.several else report)
    with closing(workers.share(worker, range(n_left), search.plan.out)) as answers:
        for _, answer in answers:
            if isinstance(answer, InputError):
                broken.append(str(answer))
            elif answer:
                report(answer)
    study = existing_study(search.store, search.name)
    outcome = Outcome.of(study)
    n_ended = len(outcome.ended)
    at_work = n_taken(search, study.trials) - n_ended
    if at_work:
        report(f"{at_work} trials of other workers are not done yet")
    elif n_ended >= search.n_trials:
        clean(search.plan.folder(search.own))
    result = result_of(search, study, outcome)
    if test and not at_work:
        result = with_test(search, outcome, test, result)
    settings = {"store": search.store, **search.identity(space)}
    paths = write(result, "search", settings, search.plan.out)
    paths += write_recipes(search, outcome)
    preset = preset_of(source.path for source in search.plan.test)
    return Found(result, paths, outcome.failures + broken, preset)


def _begin(search: Search, space: Mapping[str, Any], resume: bool, force: bool) -> None:
    """Find the search in the store, or begin it there."""
    with locked(search.lock("store")):
        study = open_study(search.store, search.name)
        if study is not None and force:
            forget_study(search.store, search.name)
            shutil.rmtree(search.plan.out / "runs", ignore_errors=True)
            study = None
        if study is None:
            begin_study(search.store, search.name, search.identity(space))
            return
        check_identity(study, search.store, search.identity(space))
        if not resume:
            raise SettingsError(
                f"{search.store}: has a search {search.name} with {len(ended(study.trials))} "
                "trials: go on with it, or join it, with --resume, or begin anew with --force"
            )


def unheard(_: str) -> None:
    """What a process of its own reports."""
