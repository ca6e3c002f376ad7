"""Offer the tracks of a pipeline as a service, until Ctrl-C or SIGTERM.

    hitgraph serve compact --port 8000 --workers 4

Speaks the Open Inference Protocol, version 2, over HTTP, with JSON and binary tensors: clients of
Triton and KServe know it. One request is one event: FEATURES (x, y, z of each hit), MODULES, and
CELLS and CHARGES where the pipeline needs clusters; its answer is LABELS, the track of each hit,
-1 = none. GET /v2/models/hitgraph says which, /metrics is for Prometheus. Each worker is a process
with the pipeline. There is no encryption and nobody is asked who they are: leave that to a proxy.
"""

import argparse

from hitgraph.cli import OK
from hitgraph.cli.arguments import (
    add_device,
    add_precision,
    add_verbosity,
    positive,
    set_verbosity,
    threads_of_worker,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", metavar="P", help="a shipped name or a pipeline folder")
    parser.add_argument(
        "--host", default="127.0.0.1", help="where to listen (default 127.0.0.1; 0.0.0.0: anywhere)"
    )
    parser.add_argument(
        "--port", type=_port, default=8000, metavar="N", help="default 8000; 0: any that is free"
    )
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="processes (default 1)"
    )
    parser.add_argument(
        "--queue",
        type=positive,
        default=16,
        metavar="N",
        help="requests that may wait (default 16); further ones are refused with status 503",
    )
    parser.add_argument(
        "--max-mb", type=positive, default=64, metavar="MB", help="of a request (default 64)"
    )
    parser.add_argument(
        "--timeout",
        type=positive,
        default=60,
        metavar="S",
        help="seconds from a request to its answer, with the time it waits (default 60)",
    )
    parser.add_argument(
        "--receive-timeout",
        type=positive,
        default=10,
        metavar="S",
        help="in which a request has to arrive (default 10): who sends it holds a place",
    )
    add_device(parser)
    add_precision(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    import logging
    from importlib.util import find_spec

    from hitgraph.cli.console import say
    from hitgraph.errors import MissingExtraError
    from hitgraph.serve.worker import WorkerSettings

    set_verbosity(args)
    if any(find_spec(name) is None for name in ("uvicorn", "starlette", "prometheus_client")):
        raise MissingExtraError("serving tracks", "serve")
    from hitgraph.serve.app import Limits
    from hitgraph.serve.front import FrontSettings, serve

    level = logging.getLogger().getEffectiveLevel()
    worker = WorkerSettings(
        args.pipeline, args.device, args.precision, threads_of_worker(args), level
    )
    limits = Limits(args.max_mb << 20, args.timeout, args.receive_timeout)
    settings = FrontSettings(args.host, args.port, args.workers, args.queue, limits)
    serve(
        settings,
        worker.command(),
        lambda address: say(f"{args.pipeline}, workers: {args.workers}, at {address}", args.quiet),
    )
    return OK


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) < 6 else -1
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a port, 0 to 65535")
    return number
