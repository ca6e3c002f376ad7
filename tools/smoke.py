"""Does an installation with all extras work? Every module, and events from Pythia to a report.

    python tools/smoke.py FOLDER

A pipeline is taught on events that a Dask cluster of one process simulates, and a shipped one finds
the tracks of the bundled event and, as a service, of one of them. FOLDER is removed first, if it is
there. That these versions work together is all that is asked, not how good the tracks are.
"""

import importlib
import json
import pkgutil
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from urllib.request import urlopen

from distributed import LocalCluster

import hitgraph
from hitgraph.cli import main
from hitgraph.cli.console import say
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.serve.tensors import inputs_of, tensors_of


def import_everything() -> None:
    no_gpu = find_spec("triton") is None  # it comes with PyTorch for CUDA
    for module in pkgutil.walk_packages(hitgraph.__path__, "hitgraph."):
        if not module.name.endswith("__main__") and not (no_gpu and module.name.endswith(".gpu")):
            importlib.import_module(module.name)


def run_commands(folder: Path) -> None:
    events, pipeline, tracks = (str(folder / name) for name in ("events", "pipeline", "tracks"))
    bundled, on_bundled = str(Path(hitgraph.__file__).parent / "demo_event"), str(folder / "demo")
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        sample = ["--events", "4", "--pileup", "2", "--seed", "1", "--preset", "plain"]
        hitgraph_("simulate", events, *sample, "--dask", cluster.scheduler_address)
    hitgraph_("train", "tiny", "--data", events, "--out", pipeline)
    hitgraph_("reconstruct", events, "--pipeline", pipeline, "--out", tracks)
    hitgraph_("fit", events, "--tracks", tracks)
    hitgraph_("evaluate", tracks, "--truth", events)
    hitgraph_("reconstruct", bundled, "--out", on_bundled)
    hitgraph_("export", pipeline, "--to", "onnx", "--data", events, "--out", str(folder / "onnx"))
    hitgraph_("report", tracks, "--truth", events, "--out", str(folder / "report.html"))
    ask_service(list_events([events])[0].read())


def hitgraph_(*words: str) -> None:
    """Run a command, which has to end well."""
    begun = perf_counter()
    if (status := main([*words, "--quiet"])) != 0:
        sys.exit(f"hitgraph {' '.join(words)}: exit status {status}")
    say(f"{perf_counter() - begun:5.0f} s  hitgraph {' '.join(words)}")


def ask_service(event: Event) -> None:
    """A service finds the tracks of an event, and ends well."""
    begun = perf_counter()
    inputs = []
    for spec in inputs_of(clusters=True):
        values = tensors_of(event, clusters=True)[spec.name]
        given = spec.to_dict() | {"shape": list(values.shape), "data": values.ravel().tolist()}
        inputs.append(given)
    command = (sys.executable, "-m", "hitgraph.cli", "serve", "compact", "--port", "0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        model = f"{process.stdout.readline().split()[-1]}/v2/models/hitgraph"
        with urlopen(f"{model}/infer", json.dumps({"inputs": inputs}).encode()) as response:
            (labels,) = json.load(response)["outputs"]
        process.terminate()
    if len(labels["data"]) != event.n_hits or process.returncode != 0:
        sys.exit(f"hitgraph serve: exit status {process.returncode}, {len(labels['data'])} labels")
    say(f"{perf_counter() - begun:5.0f} s  hitgraph serve compact")


if __name__ == "__main__":
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    import_everything()
    run_commands(Path(sys.argv[1]))
