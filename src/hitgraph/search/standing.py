"""How far a search is: what the store has of its trials, and who is at work on them."""

from collections.abc import Iterable

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from hitgraph.search.locks import locked
from hitgraph.search.plan import Search
from hitgraph.search.space import OneOf, Range
from hitgraph.search.store import existing_study, store_errors

# What the store has of a trial, besides its values.
KEY, REPORTS, FIGURES, EPOCHS, WHY = "key", "reports", "figures", "epochs", "why"
ITSELF = "itself"  # the trial that is the recipe


def revive(search: Search) -> int:
    """Put trials whose worker has ended in line again; how many there were."""
    with locked(search.lock("store")), store_errors(search.store):
        study = existing_study(search.store, search.name)
        lost = [
            one
            for one in study.get_trials(states=[TrialState.RUNNING])
            if not is_at_work(search, one)
        ]
        for trial in lost:
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params)
    return len(lost)


def ended(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that came to an end, the recipe itself left out; a failed one knows why."""
    return [
        one
        for one in trials
        if one.state.is_finished()
        and ITSELF not in one.user_attrs
        and (one.state != TrialState.FAIL or WHY in one.user_attrs)
    ]


def n_taken(search: Search, trials: Iterable[FrozenTrial]) -> int:
    """How many trials are done or at work."""
    trials = list(trials)
    return len(ended(trials)) + sum(is_at_work(search, one) for one in trials)


def is_at_work(search: Search, trial: FrozenTrial) -> bool:
    """Whether the worker of a trial is alive: it holds the lock of its run."""
    if trial.state != TrialState.RUNNING or KEY not in trial.user_attrs:
        return False
    with locked(search.lock(trial.user_attrs[KEY]), wait=False) as free:
        return not free


def distribution_of(domain: Range | OneOf) -> BaseDistribution:
    """A domain as Optuna has it."""
    if isinstance(domain, OneOf):
        return CategoricalDistribution(list(domain.options))
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), domain.log, int(domain.step or 1))
    return FloatDistribution(domain.low, domain.high, domain.log, domain.step)
