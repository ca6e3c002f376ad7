"""The service around its workers: bounds, time-outs, errors, metrics, its end. A puppet works."""

import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs the extra serve")
pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("prometheus_client", reason="needs the extra serve")

from tests.serve.puppet import COMMAND
from tests.serve.services import Address, with_puppet

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.serve.front import FrontSettings, serve

INFER = "/v2/models/hitgraph/infer"


@pytest.fixture(scope="module")
def service() -> Iterator[Address]:
    with with_puppet() as address:
        yield address


def until(state: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not state():
        assert time.monotonic() < end
        time.sleep(0.01)


def refuses(address: Address) -> bool:
    host, _, port = address.host.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_health_and_metadata(service: Address) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/hitgraph/ready"):
        assert service.ask(path).status == 200
    server = service.ask("/v2").content
    assert server["name"] == "hitgraph"
    assert server["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/models/hitgraph", "/v2/models/hitgraph/versions/1"):
        assert service.ask(path).content == {"name": "hitgraph", "versions": ["1"]}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "says"),
    [
        ("/v2/nowhere", None, {}, 404, "Not Found"),
        ("/v2/models/other", None, {}, 404, "no model 'other' here, but hitgraph"),
        ("/v2/models/hitgraph/versions/2", None, {}, 404, "no model 'hitgraph, version 2'"),
        ("/v2/models/other/infer", b"echo", {}, 404, "no model 'other'"),
        (INFER, None, {}, 405, "Method Not Allowed"),
        (INFER, b"x" * 1001, {}, 413, "larger than the 1000 bytes"),
        (INFER, b"echo", {"Content_Encoding": "gzip"}, 415, "'gzip' is not offered"),
        (INFER, b"echo", {"Inference_Header_Content_Length": "-1"}, 400, "'-1', not a number"),
        (INFER, b"die", {}, 500, r"died (exit status 3)"),
    ],
)
def test_errors_are_those_of_the_protocol(
    service: Address, path: str, body: bytes | None, headers: dict[str, str], status: int, says: str
) -> None:
    reply = service.ask(path, body, **headers)
    assert reply.status == status
    assert reply.content.keys() == {"error"}
    assert says in reply.content["error"]
    assert service.ask(INFER, b"echo").status == 200


def test_a_body_of_unknown_length_is_bounded(service: Address) -> None:
    parts = (b"x" * 100 for _ in range(11))
    assert service.ask(INFER, parts).status == 413


def test_further_requests_than_may_wait_are_refused(service: Address, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(service.ask, INFER, f"wait {go}".encode()) for _ in range(2)]
        until(lambda: service.metric("hitgraph_inside") == 2)
        refused = service.ask(INFER, b"echo")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert service.ask("/v2/health/live").status == 200
        go.touch()
        assert [one.result().status for one in waiting] == [200, 200]


def test_who_does_not_send_its_body_holds_nobody_up_for_ever() -> None:
    with with_puppet(seconds=0.5) as address:
        host, _, port = address.host.partition(":")
        head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"
        with socket.create_connection((host, int(port)), timeout=60) as slow:
            slow.sendall(head.encode())
            assert b" 504 " in slow.recv(1000).partition(b"\r\n")[0]
        assert address.ask(INFER, b"echo").status == 200
        assert address.metric("hitgraph_worker_restarts") == 0


def drip(address: Address) -> bytes:
    """The status line that comes while a body is sent, byte by byte and never to its end."""
    host, _, port = address.host.partition(":")
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(head.encode())
        for _ in range(999):
            if select.select([slow], [], [], 0.05)[0]:
                return slow.recv(1000).partition(b"\r\n")[0]
            slow.sendall(b"x")
    return b""


def test_who_sends_slowly_gives_its_place_back() -> None:
    """Two of them hold all places: that of the worker, and the one in the queue."""
    with with_puppet(receive=0.5) as address, ThreadPoolExecutor() as pool:
        slow = [pool.submit(drip, address) for _ in range(2)]
        assert all(b" 408 " in one.result() for one in slow)
        assert address.metric("hitgraph_inside") == 0
        assert address.ask(INFER, b"echo").status == 200
        assert address.metric('hitgraph_requests_total{status="408"}') == 2
        assert address.metric("hitgraph_worker_restarts") == 0


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    with with_puppet(seconds=0.5) as address:
        late = address.ask(INFER, f"wait {tmp_path / 'never'}".encode())
        assert (late.status, late.content) == (504, {"error": "no answer within 0.5 s"})
        until(lambda: address.metric("hitgraph_workers_ready") == 1)
        assert address.ask(INFER, b"echo").status == 200
        assert address.metric("hitgraph_worker_restarts") == 1


def test_metrics_count_what_was_done() -> None:
    with with_puppet() as address:
        for body in (b"echo", b"echo", b"x" * 1001):
            address.ask(INFER, body)
        assert address.metric('hitgraph_requests_total{status="200"}') == 2
        assert address.metric('hitgraph_requests_total{status="413"}') == 1
        assert address.metric("hitgraph_request_seconds_count") == 3
        assert address.metric("hitgraph_pipeline_seconds_sum") == 2 * 0.5
        assert address.metric("hitgraph_hits_total") == 2 * 5
        assert address.metric("hitgraph_tracks_total") == 2 * 2
        assert address.metric("hitgraph_inside") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_begun_is_answered_at_the_end(number: int, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with with_puppet() as address, ThreadPoolExecutor() as pool:
        begun = [pool.submit(address.ask, INFER, f"wait {go}".encode()) for _ in range(2)]
        until(lambda: address.metric("hitgraph_inside") == 2)  # one at work, one waits
        address.process.send_signal(number)
        until(lambda: refuses(address))
        assert address.process.poll() is None
        go.touch()
        assert [one.result().status for one in begun] == [200, 200]
        assert address.process.wait(timeout=60) == 0


def test_an_address_that_is_taken_is_told(service: Address) -> None:
    host, _, port = service.host.partition(":")
    with pytest.raises(SettingsError, match=f"port {port}: cannot be listened at"):
        serve(FrontSettings(host, int(port)), COMMAND, print)


def test_a_pipeline_that_cannot_be_loaded_is_told() -> None:
    with pytest.raises(HitgraphError, match="there is no such pipeline"):
        serve(FrontSettings(port=0), (*COMMAND, "refuse"), print)
