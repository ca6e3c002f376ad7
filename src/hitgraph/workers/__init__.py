"""One function over many items: in this process, in several of this machine, or on a Dask cluster.

with hire(processes=4) as workers:  # or hire(dask="tcp://host:8786")
    for item, answer in workers.share(function, items, folder):
        ...  # as they are done; an InputError says why there is no result
"""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitgraph.errors import InputError, SettingsError
from hitgraph.workers.answer import Item, Lost, Result, name_of
from hitgraph.workers.cluster import connect, each_on_cluster
from hitgraph.workers.processes import each, each_apart

ATTEMPTS = 2  # at an item whose worker died, or where something went wrong that nobody foresaw

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workers:
    """Processes of this machine, or those of the Dask cluster that `client` is connected to."""

    processes: int = 1
    client: Any = None

    @property
    def several(self) -> bool:
        """Whether others than this process do the work."""
        return self.client is not None or self.processes > 1

    def share(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        folder: Path = Path(),
        apart: bool = False,
    ) -> Generator[tuple[Item, Result | InputError], None, None]:
        """Yield every item with what `function` returned for it, as they are done.

        What goes wrong at one item is yielded as InputError in place of a result. A worker that
        dies costs one item one try; it is tried once more. A HitgraphError of another kind, such
        as a full disk, stops the run. Function, items and results have to be picklable; the
        function is sent to each process once, which may keep there what it needs again. Warnings
        come back and are logged here, those with one `extra={"once": ...}` once. The workers of a
        cluster have to see `folder`, where they tell what they are at. `apart` makes one process,
        too, one of its own; they are killed when the caller stops.
        """
        for number in range(1, ATTEMPTS + 1):
            again = []
            with closing(self._each(function, items, folder, apart)) as answers:
                for item, answer in answers:
                    if isinstance(answer, Lost) and number < ATTEMPTS:
                        log.warning("%s failed (%s), trying again", name_of(item), answer)
                        again.append(item)
                    else:
                        yield item, answer
            items = again

    def _each(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        folder: Path,
        apart: bool,
    ) -> Generator[tuple[Item, Result | InputError], None, None]:
        if self.client is not None:
            return each_on_cluster(function, items, self.client, folder)
        if apart:
            return each_apart(function, items, self.processes, patient=False)
        return each(function, items, self.processes)


HERE = Workers()


@contextmanager
def hire(processes: int | None = None, dask: str | None = None) -> Iterator[Workers]:
    """The workers of a command: so many processes, or the cluster whose scheduler has an address.

    Raises SettingsError where both are asked for, no scheduler answers or a worker of the cluster
    has another version of hitgraph or none, MissingExtraError without Dask.
    """
    if dask is None:
        yield Workers(processes or 1)
        return
    if processes is not None:
        raise SettingsError("--workers is about this machine: leave it out with --dask")
    with closing(connect(dask)) as client:
        yield Workers(client=client)
