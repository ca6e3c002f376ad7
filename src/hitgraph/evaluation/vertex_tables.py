"""How good vertices are, as rows of text."""

from collections.abc import Callable, Mapping
from functools import partial

from hitgraph.evaluation.fit_quality import half_width
from hitgraph.evaluation.ratio import Ratio
from hitgraph.evaluation.tables import NOTHING, Row, percent
from hitgraph.evaluation.vertex_quality import CLASSES, VertexQuality


def vertex_rows(columns: Mapping[str, VertexQuality]) -> list[Row]:
    """Efficiency, purity, kinds, resolution and the hard collision, one cell a column."""

    def row(name: str, text: Callable[[VertexQuality], str]) -> Row:
        return Row(name, tuple(text(one) for one in columns.values()))

    return [
        row("events", lambda q: str(q.n_events)),
        row("visible collisions an event", lambda q: _number(q.n_collisions / q.n_events, 1)),
        row("vertices an event", lambda q: _number(len(q.kind) / q.n_events, 1)),
        row(
            "collisions with two fitted tracks",
            lambda q: percent(Ratio(int(q.seen.sum()), q.n_collisions)),
        ),
        row("efficiency", lambda q: percent(q.efficiency)),
        row("found by a clean vertex", lambda q: percent(q.clean_efficiency)),
        row("purity of the tracks", lambda q: percent(q.purity)),
        *(
            row(f"{name} vertices", partial(_of_kind, kind=kind))
            for kind, name in enumerate(CLASSES)
        ),
        row("resolution of z", lambda q: _number(1e3 * q.resolution, 0, "um")),
        row("width of the pull of z", lambda q: _number(half_width(q.pull), 2)),
        row("hard collisions found", lambda q: f"{q.n_hard_found} of {q.n_hard}"),
        row("and chosen by the sum of pT^2", lambda q: f"{q.n_hard_chosen} of {q.n_hard}"),
        row(
            "median distance in z of theirs",
            lambda q: _number(1e3 * q.hard_distance, 0, "um"),
        ),
    ]


def _of_kind(quality: VertexQuality, kind: int) -> str:
    return percent(quality.share_of(kind))


def _number(value: float, digits: int, unit: str = "") -> str:
    return f"{value:.{digits}f} {unit}".strip() if value == value else NOTHING
