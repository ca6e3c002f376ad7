"""Counted fractions: a numerator, a denominator and the binomial interval they allow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ONE_SIGMA = 0.6826894921370859
"""Confidence level of every interval: the content of one standard deviation."""


def clopper_pearson(
    passed: ArrayLike, total: ArrayLike, level: float = ONE_SIGMA
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper end of the exact central binomial interval, same shape as the counts.

    Never covers less than `level`; an empty denominator gives (0, 1).
    Clopper and Pearson, Biometrika 26 (1934) 404.
    """
    from scipy.special import betaincinv

    k, n = np.asarray(passed, dtype=np.float64), np.asarray(total, dtype=np.float64)
    tail = (1.0 - level) / 2.0
    low = np.where(k > 0, betaincinv(np.maximum(k, 1.0), n - k + 1.0, tail), 0.0)
    high = np.where(k < n, betaincinv(k + 1.0, np.maximum(n - k, 1.0), 1.0 - tail), 1.0)
    return low, high


@dataclass(frozen=True)
class Ratio:
    """`passed` out of `total`; ratios of several events add up count by count."""

    passed: int
    total: int

    @property
    def value(self) -> float:
        """passed / total; NaN when there was nothing to count."""
        return self.passed / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper-Pearson interval of one standard deviation."""
        low, high = clopper_pearson(self.passed, self.total)
        return float(low), float(high)

    @property
    def complement(self) -> "Ratio":
        """The rest, `total - passed` out of `total`."""
        return Ratio(self.total - self.passed, self.total)

    def __add__(self, other: "Ratio") -> "Ratio":
        return Ratio(self.passed + other.passed, self.total + other.total)

    def to_dict(self) -> dict[str, Any]:
        """Counts, value and interval; None where nothing was counted."""
        low, high = self.interval
        return {
            "passed": self.passed,
            "total": self.total,
            "value": self.value if self.total else None,
            "low": low if self.total else None,
            "high": high if self.total else None,
        }


def ratio(passed: NDArray[np.bool_], among: NDArray[np.bool_]) -> Ratio:
    """How many of those in mask `among` are also in mask `passed`."""
    return Ratio(int(np.count_nonzero(passed & among)), int(np.count_nonzero(among)))


@dataclass(frozen=True)
class BinnedRatio:
    """A ratio as a function of one variable: counts in bins between `edges`."""

    edges: tuple[float, ...]  # (n_bins + 1,)
    passed: tuple[int, ...]  # (n_bins,)
    total: tuple[int, ...]  # (n_bins,)

    @property
    def value(self) -> NDArray[np.float64]:
        """(n_bins,) passed / total; NaN in empty bins."""
        total = np.asarray(self.total, dtype=np.float64)
        filled = np.where(total > 0, total, np.nan)
        return np.asarray(self.passed, dtype=np.float64) / filled

    @property
    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Clopper-Pearson intervals of one standard deviation, (n_bins,) each."""
        return clopper_pearson(self.passed, self.total)

    def __add__(self, other: "BinnedRatio") -> "BinnedRatio":
        if self.edges != other.edges:
            raise ValueError(f"bins differ: {self.edges} and {other.edges}")
        return BinnedRatio(
            self.edges,
            tuple(a + b for a, b in zip(self.passed, other.passed, strict=True)),
            tuple(a + b for a, b in zip(self.total, other.total, strict=True)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Edges and counts."""
        return {"edges": list(self.edges), "passed": list(self.passed), "total": list(self.total)}


def binned_ratio(
    variable: NDArray[np.floating],
    passed: NDArray[np.bool_],
    among: NDArray[np.bool_],
    edges: tuple[float, ...],
) -> BinnedRatio:
    """Histogram `among` and `passed & among` in `variable`; overflow goes to the outer bins."""
    inside = np.clip(variable[among], edges[0], edges[-1])
    total, _ = np.histogram(inside, bins=edges)
    hit, _ = np.histogram(inside[passed[among]], bins=edges)
    return BinnedRatio(edges, tuple(hit.tolist()), tuple(total.tolist()))
