"""The recipe and what was found, on events that nothing was chosen by."""

from collections.abc import Sequence
from dataclasses import replace

from hitgraph.compare.output import summarise
from hitgraph.compare.run import judge, teach
from hitgraph.event.source import EventSource
from hitgraph.search.output import Outcome
from hitgraph.search.plan import Search
from hitgraph.search.space import Given
from hitgraph.studies.output import Result


def with_test(
    search: Search, outcome: Outcome, test: Sequence[EventSource], result: Result
) -> Result:
    """The result with a table, a figure and numbers of the recipe itself and the front."""
    plan = replace(search.plan, test=tuple(test))
    judged = []
    for trial in dict.fromkeys((outcome.itself.number, *(one.number for one in outcome.front))):
        one = next(each for each in outcome.complete if each.number == trial)
        run = (
            search.own
            if one is outcome.itself
            else search.run_of(search.space.make(Given(one.params)))
        )
        facts = teach(plan, search.device, True, lambda _: None, run)  # which is complete
        judged.append(judge(plan, run, facts, search.device) | {"recipe": outcome.name(one)})
    found = summarise(judged, all_stages=not plan.shared)
    tables = tuple(replace(table, title=f"on {table.title}") for table in found.tables)
    return Result(
        result.tables + tables,
        {**result.figures, "test": found.figures["compare"]},
        {**result.data, "test": found.data["rows"]},
    )
