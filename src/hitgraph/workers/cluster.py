"""Items shared among the workers of a Dask cluster (extra `dist`)."""

import asyncio
import pickle
import shutil
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from hitgraph._version import __version__
from hitgraph.errors import HitgraphError, InputError, MissingExtraError, SettingsError
from hitgraph.files import atomic_write
from hitgraph.workers.answer import Item, Lost, Result, attempt_apart, raised
from hitgraph.workers.told import Told, tell

CONNECT_SECONDS = 10
LOOK_SECONDS = 5.0  # between two looks at the workers
PATIENCE = 120.0  # seconds that the cluster may be without workers
FUNCTION = "function"
SAME = "start the workers in an environment with the same version and extras"

Answer = tuple[Any, list[Told]]  # a result or an error, and what was said

# Generators and networks keep a state, so a worker with several threads does one item at a time.
_one_at_a_time = threading.Lock()


def connect(address: str) -> Any:
    """A client of the cluster whose scheduler listens at `address`; to be closed.

    Raises SettingsError where no scheduler answers, or a worker has another hitgraph or none,
    MissingExtraError without Dask.
    """
    if find_spec("distributed") is None:
        raise MissingExtraError("sharing events on a Dask cluster", "dist")
    from distributed import Client

    try:
        if not address.startswith("inproc:"):  # a scheduler in this process
            asyncio.run(_say_hello(address))
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # each protocol that an address may name has errors of its own
        raise SettingsError(
            f"--dask {address}: no Dask scheduler answers there ({error or type(error).__name__}): "
            "give the address that `dask scheduler` printed, like tcp://host:8786"
        ) from error
    try:
        for worker, told in client.get_versions(packages=["hitgraph"])["workers"].items():
            require_version(told["packages"]["hitgraph"], worker)
    except BaseException:
        client.close()
        raise
    return client


async def _say_hello(address: str) -> None:
    """Raise an error where nobody answers; a Client would wait and complain when it is closed."""
    from distributed.comm import connect

    line = await connect(address, timeout=CONNECT_SECONDS)
    await line.close()


def require_version(version: str | None, worker: str) -> None:
    """Raise SettingsError where a worker has another hitgraph than this process, or none."""
    if version != __version__:
        found = f"hitgraph {version}" if version else "no hitgraph"
        raise SettingsError(
            f"the Dask worker {worker} has {found}, and here is {__version__}: {SAME}"
        )


def each_on_cluster(
    function: Callable[[Item], Result], items: Sequence[Item], client: Any, folder: Path
) -> Generator[tuple[Item, Result | InputError], None, None]:
    """As `hitgraph.workers.processes.each`, with the workers that `client` is connected to.

    They have to see `folder`, and to see it and the working folder under the same paths. Raises
    HitgraphError where the cluster has lost its workers or its scheduler.
    """
    if not items:
        return
    place = folder.absolute() / f".workers-{uuid4().hex}"
    futures: dict[Any, Item] = {}
    done: SimpleQueue[Any] = SimpleQueue()
    said: set[str] = set()
    with atomic_write(place / FUNCTION) as temporary:
        temporary.write_bytes(pickle.dumps(function))
    try:
        for number, item in enumerate(items):
            call = _Call((place, Path.cwd(), number, item, __version__))
            future = client.submit(
                *(pickle.loads, pickle.dumps(call)),
                pure=False,
                key=f"hitgraph-{place.name[9:]}-{number}",
            )
            futures[future] = item
            future.add_done_callback(done.put)
        while futures:
            future = _next(client, done)
            if future is None:
                raise HitgraphError(
                    "the Dask cluster has lost its workers or its scheduler, "
                    f"{len(futures)} of {len(items)} events are left: start workers and go on with "
                    "--resume"
                )
            item = futures.pop(future)
            answer, heard = _answer(future)
            tell(heard, said)
            future.release()  # or it is made again if its worker dies before the next is done
            yield item, raised(answer)
    finally:
        with suppress(OSError, TimeoutError):  # the cluster may be gone
            client.cancel(list(futures), force=True)
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True)
class _Call:
    """What a worker is told: unpickled, it becomes what `_do` returns.

    Dask itself thus handles bytes only. Of something that it cannot unpickle, because the package
    is not there, it would close the connection to the worker, and tell nobody why.
    """

    arguments: tuple[Path, Path, int, Any, str]

    def __reduce__(self) -> tuple[Callable[..., Answer], tuple[Path, Path, int, Any, str]]:
        return _do, self.arguments


def _next(client: Any, done: SimpleQueue[Any]) -> Any:
    """The next task that is done; None when the cluster has been gone or empty for long."""
    patience = PATIENCE
    while patience > 0:
        try:
            return done.get(timeout=LOOK_SECONDS)
        except Empty:
            patience = PATIENCE if _has_workers(client) else patience - LOOK_SECONDS
    return None


def _has_workers(client: Any) -> bool:
    with suppress(OSError, TimeoutError):
        return client.status == "running" and bool(client.nthreads())
    return False


def _answer(future: Any) -> Answer:
    """What became of an item, or why its worker could not even begin."""
    try:
        answer: Answer = future.result()
        return answer
    except ModuleNotFoundError as error:
        return _refused(f"a Dask worker lacks a package ({error}): {SAME}")
    except Exception as error:
        return Lost(f"{type(error).__name__}: {error}"), []


def _do(place: Path, here: Path, number: int, item: Any, version: str) -> Answer:
    """In a worker of the cluster, which may have come after the versions were compared.

    Dask gives the tasks of a worker that died to others, those too whose results it still held.
    A file of each task tells what became of the first: the item that it was at is not left to kill
    one worker after the other, and one that was done is not done again. It stays as long as the
    scheduler may ask again, which it does until it has heard that the answer was taken.
    """
    if version != __version__:
        return _refused(f"a Dask worker has hitgraph {__version__}, and here is {version}: {SAME}")
    unseen = next((folder for folder in (here, place) if not folder.is_dir()), None)
    if unseen is not None:
        return _refused(
            f"a Dask worker does not see {unseen}: the folder of the results and the one that the "
            "command is started in have to be on a disk that all workers share"
        )
    begun = place / str(number)
    with _one_at_a_time:
        try:
            begun.touch(exist_ok=False)
        except FileExistsError:
            known = begun.read_bytes()
            return pickle.loads(known) if known else (Lost("its worker died"), [])
        with chdir(here):
            answer = attempt_apart(_function(place), item)
        if place.is_dir():  # else nobody waits any more
            with atomic_write(begun) as temporary:
                temporary.write_bytes(pickle.dumps(answer))
        return answer


def _refused(why: str) -> Answer:
    return HitgraphError(why), []


@lru_cache(maxsize=2)
def _function(place: Path) -> Callable[[Any], Any]:
    """The function of a run, with what it keeps from one item to the next."""
    function: Callable[[Any], Any] = pickle.loads((place / FUNCTION).read_bytes())
    return function
