"""Two runs of the benchmark: what changed beyond the noise.

A time counts as changed when both hold:
- the exact Mann-Whitney test on the repeats of the two runs (each the mean over the same events)
  gives p < 0.01, which takes five repeats a side at least;
- the ratio of the medians lies more than 5 % from 1, and farther than twice what the yardstick (a
  fixed piece of work timed in the same processes) changed between the runs.
The second guards against what the first cannot see: that all repeats of a run share one state of
the machine. Peak memory counts as changed by more than 5 %; scores and efficiencies are compared
exactly, since a pipeline is deterministic up to the order of sums.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hitgraph.benchmark.summary import SCORES, Part, repeat_means, stage_names

P_VALUE, LEAST_CHANGE, YARDSTICK_CHANGES = 0.01, 0.05, 2.0
LEAST_REPEATS = 5  # fewer on either side can never reach P_VALUE
SAME_QUALITY = 5e-4  # sums in another order move a few tracks
UNITS = {"wall": "s", "cpu": "CPU s", "peak": "GB", "gpu_peak": "GB of GPU memory"}


@dataclass(frozen=True)
class Change:
    """One number, before and now."""

    part: str
    what: str  # stage and clock
    unit: str
    before: float
    now: float
    p_value: float | None  # None: not tested
    beyond_noise: bool

    @property
    def ratio(self) -> float:
        return self.now / self.before if self.before else math.inf


@dataclass(frozen=True)
class Comparison:
    """All of two runs that can be compared, and what cannot."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]


def compare_runs(before: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """Every stage of every measurement that both runs have, on the same events."""
    changes: list[Change] = []
    notes = [
        f"{key}: was {before.get(key)}, is {now.get(key)}"
        for key in ("hitgraph", "pipeline", "fingerprint")
        if before.get(key) != now.get(key)
    ]
    if before["machine"] != now["machine"]:
        notes.append("the machine or its libraries are not the same: see `machine` in both files")
    for name, part in now["parts"].items():
        old = before["parts"].get(name)
        if old is None or "events" not in part or "quality" not in part:
            continue
        if _events(old) != _events(part):
            notes.append(f"{name}: not the same events, not compared")
            continue
        least = min(_repeats(old), _repeats(part))
        if least < LEAST_REPEATS:
            notes.append(
                f"{name}: {least} repeats are too few to tell a change of time from noise, "
                f"{LEAST_REPEATS} are needed in both runs"
            )
        drift = _yardstick(part) / _yardstick(old)
        if abs(drift - 1) > LEAST_CHANGE:
            notes.append(f"{name}: the machine itself took {drift:.2f} times as long (yardstick)")
        changes += _times(name, old, part, abs(drift - 1))
        changes += _quality(name, old, part)
    return Comparison(tuple(changes), tuple(notes))


def _times(name: str, old: Part, part: Part, drift: float) -> Iterator[Change]:
    from scipy.stats import mannwhitneyu

    least_change = max(LEAST_CHANGE, YARDSTICK_CHANGES * drift)
    for stage in stage_names(part):
        if stage not in stage_names(old):
            continue
        for clock, unit in UNITS.items():
            x, y = repeat_means(old, stage, clock), repeat_means(part, stage, clock)
            if np.isnan(x).any() or np.isnan(y).any():
                continue
            a, b = float(np.median(x)), float(np.median(y))
            if clock in ("wall", "cpu"):
                p_value = float(mannwhitneyu(x, y, method="exact").pvalue)
                beyond = p_value < P_VALUE and abs(b / a - 1) > least_change if a else False
                yield Change(name, f"{stage} {clock}", unit, a, b, p_value, beyond)
            else:
                beyond = bool(a) and abs(b / a - 1) > LEAST_CHANGE
                yield Change(name, f"{stage} {clock}", unit, a / 1e9, b / 1e9, None, beyond)


def _quality(name: str, old: Part, part: Part) -> Iterator[Change]:
    if old["quality"] is None or part["quality"] is None:
        return
    a, b = _flat(old["quality"]), _flat(part["quality"])
    for what in a:
        if what in b:
            beyond = abs(a[what] - b[what]) > SAME_QUALITY
            yield Change(name, what, "", a[what], b[what], None, beyond)


def _flat(quality: Part) -> dict[str, float]:
    values = {
        title: quality[key]["value"]
        for title, key in SCORES.items()
        if key in quality  # older files have one score
    }
    for min_pt, ratio in quality["technical_efficiency"].items():
        values[f"technical efficiency, pT > {min_pt} GeV"] = ratio["value"]
    values["purity"] = quality["purity"]["value"]
    return {what: value for what, value in values.items() if value is not None}


def _events(part: Part) -> list[tuple[str, int]]:
    return [(event["event"], event["n_hits"]) for event in part["events"]]


def _repeats(part: Part) -> int:
    return len(part["events"][0]["stages"]["all"]["wall"])


def _yardstick(part: Part) -> float:
    return float(np.mean(part["yardstick"]))
