"""The workers of the service: bounds, deaths, delays. A puppet stands for the pipeline."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.serve.puppet import COMMAND

from hitgraph.errors import HitgraphError
from hitgraph.serve.crew import BusyError, Crew, DiedError
from hitgraph.serve.worker import Answer


@asynccontextmanager
async def crew_of(size: int, queue: int = 0) -> AsyncGenerator[Crew, None]:
    crew = Crew(COMMAND, size, queue)
    try:
        await crew.start()
        yield crew
    finally:
        await crew.stop()


async def ask(crew: Crew, text: str) -> Answer:
    async with crew.place(), crew.worker() as worker:
        return await worker.ask(text.encode(), None)


async def until(state: Callable[[], bool]) -> None:
    while not state():
        await asyncio.sleep(0.01)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


def test_a_large_body_comes_back_as_it_went() -> None:
    text = "echo " + "0123456789" * 1_000_000

    async def work() -> None:
        async with crew_of(1) as crew:
            answer = await ask(crew, text)
            assert (answer.status, answer.hits, answer.tracks) == (200, 5, 2)
            assert json.loads(answer.body) == text

    run(work)


def test_two_workers_are_at_work_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with crew_of(2) as crew:
            first = asyncio.create_task(ask(crew, f"wait {tmp_path / 'go'}"))
            await until(lambda: crew.busy == 1)
            assert (await ask(crew, "echo")).status == 200  # while the first is not done
            assert not first.done()
            (tmp_path / "go").touch()
            assert (await first).status == 200

    run(work)


def test_further_requests_than_may_wait_are_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with crew_of(1, queue=1) as crew:
            waiting = [asyncio.create_task(ask(crew, f"wait {tmp_path / 'go'}")) for _ in range(2)]
            await until(lambda: crew.inside == 2)
            with pytest.raises(BusyError, match="1 requests are worked on and 1 wait"):
                await ask(crew, "echo")
            (tmp_path / "go").touch()
            assert [(await one).status for one in waiting] == [200, 200]
            assert (await ask(crew, "echo")).status == 200
            assert crew.inside == crew.busy == 0

    run(work)


def test_a_worker_that_dies_costs_one_request() -> None:
    async def work() -> None:
        async with crew_of(1) as crew:
            with pytest.raises(DiedError, match=r"died \(exit status 3\)"):
                await ask(crew, "die")
            assert (await ask(crew, "echo")).status == 200
            assert (crew.restarts, crew.ready) == (1, 1)

    run(work)


def test_a_worker_that_died_without_work_costs_none() -> None:
    async def work() -> None:
        async with crew_of(1) as crew:
            (worker,) = crew._crew
            worker.process.kill()
            await until(lambda: not crew.ready)
            assert (await ask(crew, "echo")).status == 200
            assert crew.restarts == 1

    run(work)


def test_a_late_answer_is_not_the_next_ones(tmp_path: Path) -> None:
    async def work() -> None:
        async with crew_of(1, queue=1) as crew:
            late = asyncio.create_task(ask(crew, f"wait {tmp_path / 'never'}"))
            await until(lambda: crew.busy == 1)
            late.cancel()
            assert (await ask(crew, "echo mine")).body == b'"echo mine"'
            assert crew.restarts == 1

    run(work)


def test_who_gives_up_waiting_costs_no_worker(tmp_path: Path) -> None:
    async def work() -> None:
        async with crew_of(1, queue=1) as crew:
            first = asyncio.create_task(ask(crew, f"wait {tmp_path / 'go'}"))
            await until(lambda: crew.busy == 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ask(crew, "echo")
            (tmp_path / "go").touch()
            assert (await first).status == 200
            assert (crew.restarts, crew.inside) == (0, 0)

    run(work)


def test_why_a_worker_cannot_start_is_told() -> None:
    async def work() -> None:
        crew = Crew((*COMMAND, "refuse"), 2, 0)
        with pytest.raises(HitgraphError, match="there is no such pipeline"):
            await crew.start()
        await crew.stop()

    run(work)


def test_at_the_end_no_process_is_left(tmp_path: Path) -> None:
    async def work() -> None:
        async with crew_of(2) as crew:
            workers = list(crew._crew)
            late = asyncio.create_task(ask(crew, f"wait {tmp_path / 'never'}"))
            await until(lambda: crew.busy == 1)
        assert not any(worker.alive for worker in workers)
        with pytest.raises(DiedError):
            await late

    run(work)
