"""What the service counts, as Prometheus reads it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hitgraph.serve.crew import Crew
from hitgraph.serve.worker import Answer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)  # bounds of histograms


class Metrics:
    """Counters of one service."""

    def __init__(self, crew: Crew) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "hitgraph_requests",
            "Requests for tracks, by HTTP status",
            ["status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "hitgraph_request_seconds",
            "From the head of a request to its answer",
            buckets=SECONDS,
            registry=registry,
        )
        self._pipeline = Histogram(
            "hitgraph_pipeline_seconds",
            "In the pipeline, of requests that went well",
            buckets=SECONDS,
            registry=registry,
        )
        self._hits = Counter("hitgraph_hits", "Hits of events that went well", registry=registry)
        self._tracks = Counter("hitgraph_tracks", "Tracks that were found", registry=registry)
        for name, what, value in (
            ("inside", "Requests that are read, wait or are worked on", lambda: crew.inside),
            ("workers_ready", "Workers that are there", lambda: crew.ready),
            ("workers_busy", "Workers that are at work", lambda: crew.busy),
            ("worker_restarts", "Workers that were replaced", lambda: crew.restarts),
        ):
            Gauge(f"hitgraph_{name}", what, registry=registry).set_function(value)

    def count(self, answer: Answer, seconds: float) -> None:
        """A request that was answered after so many seconds."""
        self._requests.labels(str(answer.status)).inc()
        self._seconds.observe(seconds)
        if answer.status == 200:
            self._pipeline.observe(answer.seconds)
            self._hits.inc(answer.hits)
            self._tracks.inc(answer.tracks)

    def text(self) -> bytes:
        """All of them, as of now."""
        return generate_latest(self._registry)
