"""What a new installation does once: compile kernels, with a bar, before any clock runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hitgraph.cli.console import progress, say
from hitgraph.errors import HitgraphError

if TYPE_CHECKING:
    from hitgraph.event.event import Event
    from hitgraph.event.source import EventSource
    from hitgraph.pipeline import Pipeline

SLICE = 4000  # hits; enough for tracks that every stage has something to do with
WHAT = "compiling kernels, once on a machine"
KERNELS = 150  # that the shipped pipelines compile, about


def compile_kernels(pipeline: "Pipeline", sources: "Sequence[EventSource]", quiet: bool) -> None:
    """Run a slice of the first event that can be read, so that every kernel is there.

    Kernels stay on disk: a second process reads them, and shows nothing.
    """
    from hitgraph.domain import observe
    from hitgraph.evaluation.judging import Judged
    from hitgraph.kernels.jit import told_of_kernels

    finder = Judged(pipeline)
    with progress(quiet) as bar:
        task = bar.add_task(WHAT, total=KERNELS, visible=False)

        def tell() -> None:
            if bar.disable and not bar.tasks[task].completed:  # no terminal
                say(f"{WHAT}: a minute or so", quiet)
            bar.update(task, advance=1, visible=True)

        with told_of_kernels(tell):
            for source in sources:
                try:
                    found = finder.run(slice_of(source.read(cells=pipeline.recipe.clusters)))
                    if pipeline.domain is not None:  # else a run does not look
                        observe(found.state, pipeline.detector)
                except HitgraphError:  # which the run itself will say
                    continue
                break
        bar.update(task, visible=False)


def slice_of(event: "Event", n_hits: int = SLICE) -> "Event":
    """About so many hits, in a slice of azimuth; read-only, as columns of files are.

    Kernels are compiled apart for what can be written to.
    """
    from hitgraph.event.regions import wedge

    part = wedge(event, n_hits / max(event.n_hits, 1))
    for table in (part.hits, part.cells, part.truth):
        for column in vars(table).values() if table is not None else ():
            column.setflags(write=False)
    return part
