"""One trial: values are asked for, a recipe is taught with them and judged, the store is told."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import Trial, TrialState, create_trial

from hitgraph.compare.output import values as numbers_of
from hitgraph.compare.plan import Run
from hitgraph.compare.run import Report, judge, teach
from hitgraph.errors import HitgraphError, InputError, SettingsError, reason
from hitgraph.search.locks import locked
from hitgraph.search.plan import Search
from hitgraph.search.pruning import QUARTERS, Reports, is_worse, reported
from hitgraph.search.quality import QUALITIES
from hitgraph.search.space import Given, OneOf, Range
from hitgraph.search.standing import (
    EPOCHS,
    FIGURES,
    ITSELF,
    KEY,
    REPORTS,
    WHY,
    distribution_of,
    n_taken,
)
from hitgraph.search.store import existing_study, store_errors
from hitgraph.training.epochs import Epoch
from hitgraph.training.place import clean
from hitgraph.training.workshop import Watch


class Pruned(HitgraphError):
    """A training that is not worth its rest."""


@dataclass(frozen=True)
class Worker:
    """Does trials, in whatever process; called with a number that only tells the calls apart."""

    search: Search
    report: Report

    def __call__(self, _: int) -> str:
        """A line about a trial; empty where enough are done or at work."""
        search = self.search
        with ExitStack() as held:
            with locked(search.lock("store")), store_errors(search.store):
                study = existing_study(search.store, search.name)
                trials = study.get_trials(deepcopy=False)
                if n_taken(search, trials) >= search.n_trials:
                    return ""
                seed = search.space.recipe.seed + len(trials)
                study.sampler = optuna.samplers.TPESampler(seed=seed)
                trial = study.ask()
                try:
                    run = search.run_of(search.space.make(_Asking(trial)))
                except SettingsError as error:
                    return _fail(search, study, trial, error)
                trial.set_user_attr(KEY, run.key)
                first = held.enter_context(locked(search.lock(run.key), wait=False))
            if not first:  # another worker is at the same recipe
                held.enter_context(locked(search.lock(run.key)))
            return self._do(study, trial, run)

    def _do(self, study: optuna.Study, trial: Trial, run: Run) -> str:
        """Teach and judge, unless the same recipe was; tell the store."""
        alike = [one for one in study.trials if one.user_attrs.get(KEY) == run.key]
        known = next((one for one in alike if {FIGURES, WHY} & one.user_attrs.keys()), None)
        try:
            if known is None:
                found = _found(self.search, run, self._watch(study, trial, run), self.report)
            else:
                found = {k: v for k, v in known.user_attrs.items() if k in (FIGURES, EPOCHS, WHY)}
                if known.state == TrialState.PRUNED:
                    raise Pruned(found[WHY])
                if known.state == TrialState.FAIL:
                    raise InputError(found[WHY])
            values = _values(self.search, found)
        except Pruned as error:
            shutil.rmtree(self.search.plan.folder(run), ignore_errors=True)
            return _fail(self.search, study, trial, error, TrialState.PRUNED)
        except (InputError, SettingsError) as error:
            return _fail(self.search, study, trial, error)
        except HitgraphError:  # a full disk, no store: the trial may go well another time
            raise
        except Exception as error:
            return _fail(self.search, study, trial, InputError(reason(error)))
        with store_errors(self.search.store):
            for key, value in found.items():
                trial.set_user_attr(key, value)
            study.tell(trial, values)
        return f"trial {trial.number}: {_in_words(self.search, values)}"

    def _watch(self, study: optuna.Study, trial: Trial, run: Run) -> Watch:
        reports: Reports = {}

        def watch(stage: str, epoch: Epoch) -> None:
            quarter, key, own = reported(run.recipe, stage, epoch)
            if key in reports or not 0 < quarter < QUARTERS:
                return
            reports[key] = own
            with store_errors(self.search.store):
                trial.set_user_attr(REPORTS, reports)
                others = [
                    one.user_attrs.get(REPORTS, {})
                    for one in study.trials
                    if one.number != trial.number and one.state != TrialState.FAIL
                ]
            if is_worse(key, own, others):
                raise Pruned(f"behind after {quarter} of {QUARTERS} parts of {stage}")

        return watch


def judge_itself(search: Search, report: Report) -> None:
    """Teach the recipe itself, with it the shared stages, and tell the store how good it is.

    Several workers wait for the first one.
    """
    with locked(search.lock(search.own.key)):
        reports: Reports = {}

        def watch(stage: str, epoch: Epoch) -> None:
            _, key, own = reported(search.own.recipe, stage, epoch)
            reports.setdefault(key, own)

        study = existing_study(search.store, search.name)
        if any(ITSELF in one.user_attrs for one in study.trials):
            return
        found = _found(search, search.own, watch, report)
        values = _values(search, found)
        given = Given(search.space.values_of_recipe() or {})
        search.space.make(given)
        known = {ITSELF: True, KEY: search.own.key, REPORTS: reports, **found}
        with store_errors(search.store):
            study.add_trial(
                create_trial(
                    values=values,
                    params=dict(given.values),
                    distributions={key: distribution_of(given.asked[key]) for key in given.values},
                    user_attrs=known,
                )
            )
        report(f"{search.name} itself: {_in_words(search, values)}")


def _found(search: Search, run: Run, watch: Watch, report: Report) -> dict[str, Any]:
    """Teach and judge a run: what the store keeps of it."""
    facts = teach(search.plan, search.device, search.quiet, report, run, watch)
    judged = judge(search.plan, run, facts, search.device)
    if run.key != search.own.key:  # whose shared stages others start from
        clean(search.plan.folder(run))
    epochs = {name: one["epochs"] for name, one in judged["trained"].items() if "epochs" in one}
    return {FIGURES: numbers_of(judged, all_stages=not search.plan.shared), EPOCHS: epochs}


def _values(search: Search, found: Mapping[str, Any]) -> list[float]:
    """Quality and CPU seconds. Raises InputError where one could not be measured."""
    keys = (QUALITIES[search.quality], "cpu_seconds")
    values = [found[FIGURES].get(key) for key in keys]
    if any(value is None or value != value for value in values):
        raise InputError(f"its {search.quality} could not be measured")
    return values


def _in_words(search: Search, values: list[float]) -> str:
    return f"{search.quality} {values[0]:.4f}, {values[1]:.3f} CPU s an event"


def _fail(
    search: Search,
    study: optuna.Study,
    trial: Trial,
    why: HitgraphError,
    state: TrialState = TrialState.FAIL,
) -> str:
    with store_errors(search.store):
        trial.set_user_attr(WHY, str(why))
        study.tell(trial, state=state)
    return f"trial {trial.number}: {'pruned' if state == TrialState.PRUNED else 'failed'}, {why}"


@dataclass(frozen=True)
class _Asking:
    """Takes what Optuna suggests."""

    trial: Trial

    def __call__(self, key: str, domain: Range | OneOf) -> Any:
        if isinstance(domain, OneOf):
            return self.trial.suggest_categorical(key, list(domain.options))
        if domain.whole:
            step = int(domain.step or 1)
            return self.trial.suggest_int(
                key, int(domain.low), int(domain.high), step=step, log=domain.log
            )
        return self.trial.suggest_float(
            key, domain.low, domain.high, step=domain.step, log=domain.log
        )
