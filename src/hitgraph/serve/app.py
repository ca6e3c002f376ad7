"""What the service answers to: health, metadata, tracks, metrics."""

import asyncio
import json
import logging
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from hitgraph._version import __version__
from hitgraph.serve.crew import BusyError, Crew, DiedError
from hitgraph.serve.metrics import CONTENT_TYPE, Metrics
from hitgraph.serve.worker import Answer, failure

JSON_LENGTH = "Inference-Header-Content-Length"
BAD_REQUEST, NOT_FOUND, TOO_SLOW, TOO_LARGE, OTHER_CODING = 400, 404, 408, 413, 415
FAILED, BUSY, TOO_LATE = 500, 503, 504
GONE = 499  # the client did not wait; as others count it

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What a request may be and take."""

    size: int = 64 << 20  # bytes of its body
    seconds: float = 60.0  # from its head to its answer
    receive_seconds: float = 10.0  # from its head to the end of its body


class Service:
    """The routes of the Open Inference Protocol, and /metrics."""

    def __init__(self, crew: Crew, limits: Limits) -> None:
        self.crew, self.limits = crew, limits
        self.metrics = Metrics(crew)

    def app(self) -> Starlette:
        """The service as an ASGI application."""
        model = "/v2/models/{model}"
        routes = [
            Route("/v2", self.server),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            Route("/metrics", self.measured),
        ]
        for path in (model, f"{model}/versions/{{version}}"):
            routes += [
                Route(path, self.metadata),
                Route(f"{path}/ready", self.model_ready),
                Route(f"{path}/infer", self.infer, methods=["POST"]),
            ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _refused})

    async def server(self, _: Request) -> Response:
        return _json(
            {"name": "hitgraph", "version": __version__, "extensions": ["binary_tensor_data"]}
        )

    async def live(self, _: Request) -> Response:
        return Response()

    async def ready(self, _: Request) -> Response:
        return Response(status_code=200 if self.crew.ready else BUSY)

    async def model_ready(self, request: Request) -> Response:
        self._require_model(request)
        return await self.ready(request)

    async def metadata(self, request: Request) -> Response:
        self._require_model(request)
        return _json(self.crew.metadata)

    async def measured(self, _: Request) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    async def infer(self, request: Request) -> Response:
        self._require_model(request)
        begun = perf_counter()
        try:
            async with asyncio.timeout(self.limits.seconds), self.crew.place():
                answer = await self._answer(request)
        except TimeoutError:
            answer = failure(TOO_LATE, f"no answer within {self.limits.seconds:g} s")
        except BusyError as error:
            answer = failure(BUSY, str(error))
        except DiedError as error:
            _log.warning("a request failed: %s", error)
            answer = failure(FAILED, str(error))
        except ClientDisconnect:
            answer = failure(GONE, "the client has gone")
        except HTTPException as error:
            answer = failure(error.status_code, error.detail)
        self.metrics.count(answer, perf_counter() - begun)
        return _response(answer)

    async def _answer(self, request: Request) -> Answer:
        json_length = _json_length(request)
        try:
            async with asyncio.timeout(self.limits.receive_seconds):
                body = await _body(request, self.limits.size)
        except TimeoutError:
            limit = f"{self.limits.receive_seconds:g} s"
            raise HTTPException(TOO_SLOW, f"the request did not arrive within {limit}") from None
        async with self.crew.worker() as worker:
            if await request.is_disconnected():  # while it waited
                raise ClientDisconnect
            return await worker.ask(body, json_length)

    def _require_model(self, request: Request) -> None:
        model, version = request.path_params["model"], request.path_params.get("version")
        known = self.crew.metadata
        if model != known["name"] or version not in (None, *known["versions"]):
            asked = model if version is None else f"{model}, version {version}"
            raise HTTPException(
                NOT_FOUND,
                f"there is no model {asked[:80]!r} here, but {known['name']}, version 1",
            )


async def _body(request: Request, limit: int) -> bytearray:
    """The body, which is not read further than the limit."""
    body = bytearray()
    too_large = HTTPException(
        TOO_LARGE, f"the request is larger than the {limit} bytes that it may have"
    )
    declared = request.headers.get("Content-Length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise too_large
    return body


def _json_length(request: Request) -> int | None:
    coding = request.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise HTTPException(OTHER_CODING, f"Content-Encoding {coding[:80]!r} is not offered here")
    text = request.headers.get(JSON_LENGTH)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise HTTPException(BAD_REQUEST, f"{JSON_LENGTH} is {text[:80]!r}, not a number of bytes")
    return int(text)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _response(failure(error.status_code, error.detail))


def _response(answer: Answer) -> Response:
    headers = {"Retry-After": "1"} if answer.status == BUSY else {}
    media = "application/json"
    if answer.json_length is not None:
        headers[JSON_LENGTH] = str(answer.json_length)
        media = "application/octet-stream"
    return Response(answer.body, answer.status, headers, media)


def _json(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content).encode(), media_type="application/json")
