"""How good the fits are, as rows of text."""

from collections.abc import Mapping

from hitgraph.evaluation.fit_quality import FitQuality
from hitgraph.evaluation.tables import NOTHING, Row
from hitgraph.event.perigee import PARAMETERS

NAMES = {"d0": "d0", "z0": "z0", "phi": "phi", "theta": "theta", "qop": "q/p"}
# factor from the unit of the file, unit, digits behind the point
UNITS = {
    "d0": (1e3, "um", 0),
    "z0": (1e3, "um", 0),
    "phi": (1e3, "mrad", 2),
    "theta": (1e3, "mrad", 2),
    "qop": (1e2, "%", 2),
}


def fit_rows(columns: Mapping[str, FitQuality]) -> list[Row]:
    """Tracks, then resolution and pulls of each parameter, one cell a column."""
    rows = [
        Row("fitted by", tuple(one.method or NOTHING for one in columns.values())),
        Row("fitted tracks", tuple(str(one.n_tracks) for one in columns.values())),
        Row("of primary particles", tuple(str(len(one)) for one in columns.values())),
    ]
    for k, name in enumerate(PARAMETERS):
        factor, unit, digits = UNITS[name]
        cells = (_text(factor * one.resolution(k), digits, unit) for one in columns.values())
        rows.append(Row(f"resolution of {NAMES[name]}", tuple(cells)))
    for k, name in enumerate(PARAMETERS):
        cells = (
            f"{_text(one.pull_mean(k), 2)}, {_text(one.pull_width(k), 2)}, "
            f"{_text(100 * one.tail(k), 1, '%')}"
            for one in columns.values()
        )
        rows.append(Row(f"pull of {NAMES[name]}: median, width, beyond 5", tuple(cells)))
    return rows


def _text(value: float, digits: int, unit: str = "") -> str:
    return f"{value:.{digits}f} {unit}".strip() if value == value else NOTHING
