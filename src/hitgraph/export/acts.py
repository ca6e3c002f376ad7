"""A chain for the GNN plugin of ACTS: models, the Python that sets it up, the module map.

The contract is that of Plugins/Gnn and of its Python bindings: a classifier takes x (n_hits,
n_features) float32 and edge_index (2, n_edges) int64 and gives logits; the plugin applies the
sigmoid and keeps scores above the cut. Space points lie in the order of their modules, and an edge
of the metric learning runs from the lower row to the higher, so models turn edges themselves.
"""

from collections.abc import Sequence
from pathlib import Path

from hitgraph.errors import SettingsError
from hitgraph.export.chain import Chain, chain_of, logits_model, places_model
from hitgraph.export.models import Model
from hitgraph.export.onnx import ONNX
from hitgraph.export.space_points import Layout
from hitgraph.export.targets import Target
from hitgraph.export.torchscript import TORCHSCRIPT
from hitgraph.graph.module_map import ModuleMapStage
from hitgraph.graph.module_map.root import write_root_map
from hitgraph.graph.radius.stage import RadiusStage
from hitgraph.pipeline import Pipeline

SCRIPT, MAP = "acts_gnn.py", "map"
# ModuleMapCuda wants r, phi, z and eta first; x and y spare the rounding of r and phi, and ACTS's
# usual scales, 1, that of another unit: the curvature of a close pair shows both.
LAYOUT = Layout(("r", "phi", "z", "eta", "x", "y"), (1.0,) * 6)
MAX_DIMENSIONS = 12  # of the search in the learnt space on a CPU
MANY = 500  # neighbours, ACTS's own bound: where a pipeline has none


def models(pipeline: Pipeline) -> Sequence[Model]:
    """Raises SettingsError for a pipeline that ACTS cannot run."""
    chain = chain_of(pipeline, "ACTS")
    stage, graph = chain.graph
    found = []
    if isinstance(graph, RadiusStage):
        dimensions = graph.settings.network.dimensions
        if dimensions > MAX_DIMENSIONS:
            raise SettingsError(
                f"stages.{stage}.network.dimensions: {dimensions} is too many for ACTS, at most "
                f"{MAX_DIMENSIONS}"
            )
        found.append(places_model(chain, stage, LAYOUT))
    numbers = range(len(chain.classifiers))
    return [*found, *(logits_model(chain, k, chain.classifiers[k][0], LAYOUT) for k in numbers)]


def beside(pipeline: Pipeline, folder: Path) -> None:
    """The script, and of a module map both ROOT files. Raises MissingExtraError without uproot."""
    chain = chain_of(pipeline, "ACTS")
    _, graph = chain.graph
    if isinstance(graph, ModuleMapStage):
        write_root_map(graph.learnt, pipeline.detector, folder / MAP)
    (folder / SCRIPT).write_text(script(chain), encoding="utf-8")


def script(chain: Chain) -> str:
    """Python that adds the chain to a Sequencer of ACTS."""
    stage, graph = chain.graph
    if isinstance(graph, RadiusStage):
        builder = _ON_CPU
        constructor = _METRIC_LEARNING.format(
            stage=stage,
            dimensions=graph.settings.network.dimensions,
            radius=graph.radius,
            neighbours=graph.settings.max_neighbours or MANY,
        )
    else:
        constructor = _MODULE_MAP
        builder = _ON_GPU.format(
            junctions=chain.tracks.junction_removal, min_hits=chain.tracks.min_hits
        )
    return _SCRIPT.format(
        name=chain.pipeline.recipe.name,
        constructor=constructor,
        classifiers=[
            (name, cut) for (name, _), cut in zip(chain.classifiers, chain.cuts, strict=True)
        ],
        builder=builder,
        features=", ".join(f"gnn.NodeFeature.{name.capitalize()}" for name in LAYOUT.names),
        scales=list(LAYOUT.scales),
        min_hits=chain.tracks.min_hits,
    )


_SCRIPT = '''"""A pipeline of hitgraph in ACTS: call add_track_finding(sequencer)."""

from pathlib import Path

import acts
import acts.examples
import acts.examples.gnn as gnn

PIPELINE = {name!r}
FOLDER = Path(__file__).resolve().parent
CLASSIFIERS = {classifiers!r}  # model, cut on its sigmoid


def add_track_finding(
    s,
    suffix=".onnx",  # or .pt, where ACTS was built with torch
    inputSpacePoints="spacepoints",
    outputProtoTracks="prototracks",
    level=acts.logging.INFO,
):
    {constructor}
    if suffix == ".pt":
        options = {{"nChunks": 1, "undirected": False, "useEdgeFeatures": False}}
        classifier = gnn.TorchEdgeClassifier
    else:
        options = {{}}
        classifier = gnn.OnnxEdgeClassifier
    edgeClassifiers = [
        classifier(level=level, modelPath=str(FOLDER / f"{{name}}{{suffix}}"), cut=cut, **options)
        for name, cut in CLASSIFIERS
    ]
    {builder}
    s.addAlgorithm(
        gnn.TrackFindingAlgorithmGnn(
            level=level,
            inputSpacePoints=inputSpacePoints,
            outputProtoTracks=outputProtoTracks,
            graphConstructor=graphConstructor,
            edgeClassifiers=edgeClassifiers,
            trackBuilder=trackBuilder,
            nodeFeatures=[{features}],
            featureScales={scales},
            minMeasurementsPerTrack={min_hits},
        )
    )
'''
_MODULE_MAP = f"""graphConstructor = gnn.ModuleMapCuda(
        level=level,
        moduleMapPath=str(FOLDER / "{MAP}"),
        rScale={LAYOUT.scales[0]},
        phiScale={LAYOUT.scales[1]},
        zScale={LAYOUT.scales[2]},
        etaScale={LAYOUT.scales[3]},
    )"""
_METRIC_LEARNING = """graphConstructor = gnn.TorchMetricLearning(
        level=level,
        modelPath=str(FOLDER / "{stage}.pt"),
        embeddingDim={dimensions},
        rVal={radius!r},
        knnVal={neighbours},
    )"""
_ON_CPU = "trackBuilder = gnn.BoostTrackBuilding(level=level)"
_ON_GPU = """trackBuilder = gnn.CudaTrackBuilding(
        level=level, doJunctionRemoval={junctions}, minCandidateSize={min_hits}
    )"""

TARGET = Target(models, [TORCHSCRIPT, ONNX], tolerance=5e-2, beside=beside)
