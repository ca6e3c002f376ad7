"""What became of the events asked for."""

from dataclasses import dataclass, field

from hitgraph.simulate.folder import EventSummary


@dataclass
class SimulationRun:
    """What became of the events asked for."""

    done: list[EventSummary] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)  # complete before, with `resume`
    failed: dict[int, str] = field(default_factory=dict)  # why, after the second attempt
    seconds: float = 0.0
