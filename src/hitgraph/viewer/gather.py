"""Events in files, with tracks in folders and graphs of a pipeline, as a page shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, SettingsError
from hitgraph.evaluation.comparison import TracksFiles, find_tracks, name_columns, read_labels
from hitgraph.event.event import Event
from hitgraph.event.source import EventSource
from hitgraph.viewer.content import Content, Options, content_of

if TYPE_CHECKING:
    from hitgraph.pipeline import Pipeline
    from hitgraph.state import State

MOST_EVENTS = 20  # of one page: browsers open pages of some hundred MB

Labels = dict[str, NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Gatherer:
    """Where the tracks and graphs of events come from."""

    files: dict[str, TracksFiles]  # by the name of their folder
    pipeline: "Pipeline | None"
    stages: Sequence[str] | None  # to keep the graphs of; None: the last that cuts on a score
    options: Options

    @staticmethod
    def of(
        folders: Sequence[Path],
        pipeline: "Pipeline | None",
        stages: Sequence[str] | None,
        options: Options,
    ) -> "Gatherer":
        """Raises InputError for a folder that has no tracks or is given twice."""
        columns = name_columns(folders) if folders else {}
        files = {name: find_tracks(folder) for name, folder in columns.items()}
        return Gatherer(files, pipeline, stages, options)

    def gather(self, source: EventSource) -> tuple[Event, Labels, Content]:
        """An event with its tracks by name, and what a page shows of it.

        Raises InputError where the event, or its tracks in a folder, are missing or bad, and
        SettingsError for a stage that the pipeline does not have or that has no edges.
        """
        missing = [name for name, found in self.files.items() if source.name not in found]
        if missing:
            raise InputError(f"has no tracks in {', '.join(missing)}")
        event = source.read(cells=self.pipeline is not None and self.pipeline.recipe.clusters)
        tracks = {
            name: read_labels(event, found[source.name]) for name, found in self.files.items()
        }
        states: dict[str, State] = {}
        if self.pipeline is not None:
            result = self.pipeline.run(event, keep="all" if self.stages is None else self.stages)
            if not tracks:
                tracks[self.pipeline.recipe.name] = result.labels
            states = dict(result.kept) if self.stages else last_scored(result.kept)
            without = [name for name, state in states.items() if state.edges is None]
            if without:
                raise SettingsError(
                    f"--stage: {without[0]} has no edges to show; stages with edges stand behind it"
                )
        return event, tracks, content_of(event, tracks, states, self.options)


def last_scored(kept: "Mapping[str, State]") -> "dict[str, State]":
    """The state after the last stage that cut edges on their score; without any, the last graph."""
    cut = [name for name, state in kept.items() if state.scored is not None]
    if cut:
        first = next(name for name in cut if kept[name].scored is kept[cut[-1]].scored)
        return {first: kept[first]}
    return {name: kept[name] for name in list(kept)[-1:] if kept[name].edges is not None}
