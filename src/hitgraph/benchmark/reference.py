"""The sizes of arXiv 2103.06995 on a synthetic event: timing only, the networks know nothing.

110,000 hits, 5 million candidate edges and 1 million kept ones are what the paper's pipeline has
in one event. Weights come from a seed and the kept edges are simply those with the highest
scores, so nothing but time and memory can be read from this.
"""

from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.benchmark.apart import Tell
from hitgraph.benchmark.clock import StageClock, as_lists, resident
from hitgraph.benchmark.stages import ALL, StageJob, load_apart

if TYPE_CHECKING:
    from hitgraph.event.detector import Detector
    from hitgraph.hits import Hits

EMBED, GRAPH = "embed", "graph"  # readings, besides those of filter, gnn and tracks
HITS, CANDIDATES, KEPT = 110_000, 5_000_000, 1_000_000
CPU_BATCH, GPU_BATCH = 32_768, 524_288  # edges the filter takes at a time: 0.13, 2.1 GB a layer
LATENT_DIMENSIONS = 8
HITS_A_TRACK = 10
SURFACE_DIMENSIONS = 3  # hits in a learnt space lie near a curved surface of few dimensions
PROBES = 200  # hits whose neighbours are counted to find the radius


@dataclass(frozen=True)
class ReferenceJob:
    """`share` of the paper's sizes, on the device and threads of `stages`."""

    stages: StageJob
    share: float = 1.0
    seed: int = 1


def measure_reference(job: ReferenceJob, tell: Tell, _line: Connection) -> dict[str, Any]:
    """One event through embedding, search, filter, graph network and components; one repeat.

    On a GPU after one to warm up.
    """
    import torch

    from hitgraph.gnn.interaction import InteractionNetwork, InteractionSettings
    from hitgraph.graph.filter import FilterNetwork, FilterSettings, score_candidates
    from hitgraph.graph.neighbours import radius_pairs
    from hitgraph.graph.radius.embedding import EmbeddingNetwork, EmbeddingSettings
    from hitgraph.hits import FEATURES
    from hitgraph.tracks.components import ComponentsSettings, connected_components

    pipeline, _ = load_apart(job.stages)
    device = pipeline.device
    n_hits = round(HITS * job.share)
    n_candidates, n_kept = round(CANDIDATES * job.share), round(KEPT * job.share)
    torch.manual_seed(job.seed)
    embedding = EmbeddingNetwork(EmbeddingSettings(hidden=512, layers=6), FEATURES)
    filter_network = FilterNetwork(
        FilterSettings(hidden=1024, layers=3, inputs="hits"), FEATURES, ()
    )
    gnn = InteractionNetwork(
        InteractionSettings(hidden=64, mlp_hidden=128, steps=8, residual=False, gated=False), 3, 1
    )
    for network in (embedding, filter_network, gnn):
        network.eval().to(device)
    hits = synthetic_hits(pipeline.detector, n_hits, job.seed).to(device)
    points = latent_points(n_hits, LATENT_DIMENSIONS, job.seed)
    radius = radius_for(points, 2 * n_candidates / n_hits)
    latents = torch.from_numpy(points).to(device)
    idle = resident()
    clock = StageClock(device)

    def one_event() -> tuple[int, int]:
        with clock(EMBED):
            embedding(hits.features)
        tell("embed")
        with clock(GRAPH):
            edges = radius_pairs(latents, radius)
        tell(f"{edges.shape[1]:,} candidate edges")
        with clock("filter"), pipeline.context.mixed_precision():
            batch = CPU_BATCH if device.type == "cpu" else GPU_BATCH
            logits = score_candidates(filter_network, hits, edges, pipeline.detector, batch)
            kept = logits.topk(min(n_kept, len(logits))).indices
            n_found, edges, logits = edges.shape[1], edges[:, kept], logits[kept]
        tell("filter")
        with clock("gnn"), pipeline.context.mixed_precision():
            scores = torch.sigmoid(gnn(hits.features[:, :3], edges, logits[:, None]))
        tell("gnn")
        with clock("tracks"):
            settings = ComponentsSettings(score_cut=float(scores.median()))
            connected_components(hits, edges, scores, settings)
        return n_found, edges.shape[1]

    with torch.inference_mode():
        if device.type == "cuda":  # libraries and memory are set up; a CPU would take minutes
            one_event()
            tell("warm-up")
        with clock(ALL):
            n_found, n_left = one_event()
    return {
        "device": str(device),
        "threads": job.stages.threads,
        "share": job.share,
        "n_hits": n_hits,
        "edges": {"graph": n_found, "filter": n_left},
        "loaded_bytes": idle,
        "stages": {name: as_lists([reading]) for name, reading in clock.readings.items()},
    }


def synthetic_hits(detector: "Detector", n_hits: int, seed: int) -> "Hits":
    """Hits at the centres of random modules, random features: what timing needs of an event."""
    import torch

    from hitgraph.hits import FEATURES, Hits

    random = np.random.default_rng(seed)
    module = random.integers(detector.n_modules, size=n_hits)
    features = random.normal(size=(n_hits, len(FEATURES))).astype(np.float32)
    return Hits(
        torch.from_numpy(features),
        torch.from_numpy(detector.centre[module].astype(np.float32)),
        torch.from_numpy(detector.layer[module]),
        torch.from_numpy(module),
    )


def latent_points(n_points: int, dimensions: int, seed: int) -> NDArray[np.float32]:
    """(n_points, dimensions) as hits lie in a learnt space.

    Tracks of HITS_A_TRACK hits close together, spread over a curved surface.
    """
    random = np.random.default_rng(seed)
    surface = random.normal(size=(n_points // HITS_A_TRACK + 1, SURFACE_DIMENSIONS))
    tracks = np.sin(surface @ random.normal(size=(SURFACE_DIMENSIONS, dimensions))) * 3
    points = np.repeat(tracks, HITS_A_TRACK, axis=0)[:n_points]
    points = points + 0.2 * random.normal(size=points.shape)
    return random.permutation(points.astype(np.float32))


def radius_for(points: NDArray[np.float32], neighbours: float) -> float:
    """The radius within which a point has about this many neighbours, estimated on some points."""
    probes = points[:: max(1, len(points) // PROBES)]
    squared = np.concatenate([np.square(points - probe).sum(axis=1) for probe in probes])
    rank = min(len(squared) - 1, round((neighbours + 1) * len(probes)))  # each finds itself
    return float(np.sqrt(np.partition(squared, rank)[rank]))
