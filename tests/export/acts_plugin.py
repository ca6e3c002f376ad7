"""The GNN plugin of ACTS as far as its contract goes: it takes the script, and runs what it says.

Arguments are those of the Python bindings, the order of calls that of GnnPipeline::run and
TrackFindingAlgorithmGnn::execute (ACTS of August 2026).
"""

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hitgraph.export.onnx import ONNX
from hitgraph.export.torchscript import TORCHSCRIPT

ARGUMENTS = {
    "ModuleMapCuda": "moduleMapPath rScale phiScale zScale etaScale moreParallel gpuDevice "
    "gpuBlocks epsilon",
    "TorchMetricLearning": "modelPath selectedFeatures embeddingDim rVal knnVal",
    "TorchEdgeClassifier": "modelPath selectedFeatures cut nChunks undirected useEdgeFeatures",
    "OnnxEdgeClassifier": "modelPath cut",
    "BoostTrackBuilding": "",
    "CudaTrackBuilding": "useOneBlockImplementation doJunctionRemoval minCandidateSize",
    "TrackFindingAlgorithmGnn": "inputSpacePoints inputClusters inputTruthGraph outputProtoTracks "
    "outputGraph graphConstructor edgeClassifiers trackBuilder nodeFeatures featureScales "
    "minMeasurementsPerTrack geometryIdMap",
}


class Stage:
    """One object of the plugin, as the script made it."""

    def __init__(self, kind: str, **arguments: Any) -> None:
        unknown = arguments.keys() - {"level", *ARGUMENTS[kind].split()}
        assert not unknown, f"{kind} has no argument {unknown}"
        self.kind, self.arguments = kind, arguments

    def __getattr__(self, name: str) -> Any:
        return self.arguments[name]


def configured(script: Path, suffix: str) -> Stage:
    """The algorithm that the script adds to a sequencer."""
    acts = types.ModuleType("acts")
    examples, gnn = types.ModuleType("acts.examples"), types.ModuleType("acts.examples.gnn")
    acts.logging = types.SimpleNamespace(INFO=2)
    acts.examples, examples.gnn = examples, gnn
    gnn.NodeFeature = types.SimpleNamespace(
        **{name: name for name in ("R", "Phi", "Z", "X", "Y", "Eta", "CellCount", "ChargeSum")}
    )
    for kind in ARGUMENTS:
        setattr(gnn, kind, lambda kind=kind, **arguments: Stage(kind, **arguments))
    modules = {one.__name__: one for one in (acts, examples, gnn)}
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    added: list[Stage] = []
    try:
        space: dict[str, Any] = {"__file__": str(script), "__name__": "acts_gnn"}
        exec(compile(script.read_text(), str(script), "exec"), space)
        sequencer = types.SimpleNamespace(addAlgorithm=added.append)
        space["add_track_finding"](sequencer, suffix=suffix)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    (algorithm,) = added
    assert algorithm.kind == "TrackFindingAlgorithmGnn"
    return algorithm


def node_features(algorithm: Stage, position: np.ndarray) -> Tensor:
    """createFeatures: in double, then float32, then divided by the scales."""
    x, y, z = position.astype(np.float64).T
    r = np.hypot(x, y)
    known = {"R": r, "Phi": np.arctan2(y, x), "Z": z, "X": x, "Y": y, "Eta": np.arcsinh(z / r)}
    columns = [known[name].astype(np.float32) for name in algorithm.nodeFeatures]
    scales = np.array(algorithm.featureScales, np.float32)
    return torch.from_numpy(np.stack(columns, axis=1) / scales)


def metric_learning(constructor: Stage, features: Tensor) -> Tensor:
    """TorchMetricLearning: pairs within the radius, from the lower row to the higher."""
    places = TORCHSCRIPT.load(Path(constructor.modelPath))({"x": features})
    assert places.shape[1] == constructor.embeddingDim
    near = torch.cdist(places.double(), places.double()) <= constructor.rVal
    return torch.triu(near, 1).nonzero().T.contiguous()


def classify(algorithm: Stage, features: Tensor, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each classifier in turn: the rows that are left, the edges between them, their scores."""
    rows = torch.arange(len(features))
    for classifier in algorithm.edgeClassifiers:
        used, edges = edges.unique(return_inverse=True)  # shrink
        features, rows = features[used], rows[used]
        path = Path(classifier.modelPath)
        run = (ONNX if path.suffix == ".onnx" else TORCHSCRIPT).load(path)
        scores = torch.sigmoid(run({"x": features, "edge_index": edges}))
        assert scores.shape == (edges.shape[1],)
        assert scores.dtype == torch.float32
        kept = scores > classifier.cut
        edges, scores = edges[:, kept], scores[kept]
        if not edges.numel():
            break
    return rows, edges, scores


def candidates(
    algorithm: Stage, rows: Tensor, edges: Tensor, scores: Tensor
) -> set[frozenset[int]]:
    """Connected components of at least minMeasurementsPerTrack space points.

    With doJunctionRemoval, of the edges that are the best both onward from their first space point
    and into their second.
    """
    group = {int(row): {int(row)} for row in rows}
    best: list[dict[int, float]] = [{}, {}]
    if algorithm.trackBuilder.arguments.get("doJunctionRemoval"):
        for ends, known in zip(edges.tolist(), best, strict=True):
            for row, score in zip(ends, scores.tolist(), strict=True):
                known[row] = max(known.get(row, 0.0), score)
    for (one, other), score in zip(edges.T.tolist(), scores.tolist(), strict=True):
        if score < max(best[0].get(one, 0.0), best[1].get(other, 0.0)):
            continue
        one, other = int(rows[one]), int(rows[other])
        together = group[one] | group[other]
        for row in together:
            group[row] = together
    found = {frozenset(one) for one in group.values()}
    return {one for one in found if len(one) >= algorithm.minMeasurementsPerTrack}
