"""A chain for the GNN track finder of Athena (InDetGNNTracking): three ONNX files and its flags.

Inputs are told by their order: embedding(x), filtering(x, edge_index), gnn(x, edge_index,
edge_attr), the last with six columns of edges that Athena works out of r, phi, z and eta. It
applies the sigmoid, then the cuts. The columns of hits of every stage are comma-separated names,
with their scales.
"""

from collections.abc import Sequence
from math import pi
from pathlib import Path

from hitgraph.errors import SettingsError
from hitgraph.export.chain import Chain, chain_of, logits_model, places_model
from hitgraph.export.models import Model
from hitgraph.export.onnx import ONNX
from hitgraph.export.space_points import Layout
from hitgraph.export.targets import Target
from hitgraph.graph.filter.stage import FilterStage
from hitgraph.graph.radius.stage import RadiusStage
from hitgraph.pipeline import Pipeline

FLAGS = "athena_flags.py"
LAYOUT = Layout(("r", "phi", "z", "eta", "x", "y"), (1000.0, pi, 1000.0, 1.0, 1000.0, 1000.0))
EDGE_COLUMNS = ("dr", "dphi", "dz", "deta", "phislope", "rphislope")  # which the model leaves aside
MANY = 500  # neighbours, Athena's own bound: where a pipeline has none


def models(pipeline: Pipeline) -> Sequence[Model]:
    """Raises SettingsError for a pipeline that Athena cannot run."""
    chain = _chain(pipeline)
    return [
        places_model(chain, "embedding", LAYOUT),
        logits_model(chain, 0, "filtering", LAYOUT),
        logits_model(chain, 1, "gnn", LAYOUT, EDGE_COLUMNS),
    ]


def beside(pipeline: Pipeline, folder: Path) -> None:
    """The flags, as lines for preExec."""
    (folder / FLAGS).write_text(flags(_chain(pipeline)), encoding="utf-8")


def flags(chain: Chain) -> str:
    """Lines that set the flags of the track finder; inputMLModelDir is where the files are put."""
    _, graph = chain.graph
    assert isinstance(graph, RadiusStage)
    (filter_cut, network_cut) = chain.cuts
    names, scales = ",".join(LAYOUT.names), ",".join(f"{scale:.10g}" for scale in LAYOUT.scales)
    settings: dict[str, object] = {
        "inputMLModelDir": ".",
        "embeddingDim": graph.settings.network.dimensions,
        "rVal": graph.radius,
        "knnVal": graph.settings.max_neighbours or MANY,
        "filterCut": filter_cut,
        "ccCut": network_cut,
        "walkMin": network_cut,
        "walkMax": max(network_cut, 0.6),
    }
    for stage in ("Embedding", "Filter", "GNN"):
        settings |= {f"{stage}FeatureNames": names, f"{stage}FeatureScales": scales}
    head = f"# The pipeline {chain.pipeline.recipe.name!r} of hitgraph for InDetGNNTracking\n"
    return head + "".join(
        f"flags.Tracking.GNN.TrackFinder.{key} = {value!r}\n" for key, value in settings.items()
    )


def _chain(pipeline: Pipeline) -> Chain:
    chain = chain_of(pipeline, "Athena")
    kinds = [isinstance(stage, FilterStage) for _, stage in chain.classifiers]
    if not isinstance(chain.graph[1], RadiusStage) or kinds != [True, False]:
        raise SettingsError(
            f"pipeline {pipeline.recipe.name}: the track finder of Athena runs radius, filter, "
            f"network and components, this one is {', '.join(pipeline.stages)}; for a module map "
            "export to acts, which Athena runs too"
        )
    return chain


TARGET = Target(models, [ONNX], tolerance=5e-2, beside=beside)
