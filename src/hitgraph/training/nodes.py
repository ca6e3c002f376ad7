"""Ranks on several nodes of a Slurm job: `hitgraph train` runs once and starts them with srun.

So whatever is not the fitting of a network (reading, graphs, cuts, saving) is done by one process,
the one that the batch script starts. The ranks get the network and the lesson in a file, and rank 0
leaves in files what it has learnt.
"""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.files import atomic_write, read_json
from hitgraph.tensor_files import read_tensors, write_tensors

Fit = Callable[[nn.Module], dict[str, float]]

_NODES = ("SLURM_JOB_NUM_NODES", "SLURM_NNODES")
_RANK = "HITGRAPH_RANK_OF_NODES"  # set in the processes that srun starts
_TASK, _WEIGHTS, _MERIT = "ranks.pickle", "ranks.safetensors", "ranks.json"


def nodes_of(ranks: int) -> int:
    """Nodes of the Slurm job over which ranks are spread; 1 outside of Slurm and for one rank.

    Raises SettingsError where the nodes would have different numbers of ranks.
    """
    words = next((os.environ[name] for name in _NODES if name in os.environ), "1")
    nodes = int(words) if words.isdecimal() and ranks > 1 else 1
    if nodes > 1 and ranks % nodes:
        raise SettingsError(
            f"--ranks: {ranks} cannot be spread evenly over the {nodes} nodes of the Slurm job: "
            f"make it a multiple of {nodes}"
        )
    return max(nodes, 1)


def is_rank() -> bool:
    """Whether this process was started by `fit_on_nodes`."""
    return _RANK in os.environ


def fit_on_nodes(
    fit: Fit, network: nn.Module, folder: Path, nodes: int, ranks: int
) -> dict[str, float]:
    """Run fit(network) in ranks on the nodes of the Slurm job; what it returned in rank 0.

    The network has then learnt what it learnt there. `fit` has to be picklable, and the nodes to
    share the folder. Raises HitgraphError where a rank ends, with which srun ends the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / _TASK) as temporary:
        temporary.write_bytes(pickle.dumps((fit, network)))
    words = ["srun", f"--nodes={nodes}", f"--ntasks={ranks}", f"--ntasks-per-node={ranks // nodes}"]
    words += ["--kill-on-bad-exit=1", sys.executable, "-m", __name__, str(folder)]
    try:
        with subprocess.Popen(words, env={**os.environ, _RANK: "1"}) as srun:
            try:
                status = srun.wait()
            except BaseException:
                srun.terminate()
                raise
    except FileNotFoundError as error:
        raise HitgraphError(
            f"--ranks: the Slurm job has {nodes} nodes, but srun is not found: {error}"
        ) from error
    if status:
        raise HitgraphError(
            f"a rank of the training has ended (srun: exit status {status}, see what it printed), "
            "and with it the others: go on with --resume from the last whole epoch"
        )
    network.load_state_dict(read_tensors(folder / _WEIGHTS))
    merit: dict[str, float] = read_json(folder / _MERIT)
    for name in (_TASK, _WEIGHTS, _MERIT):
        (folder / name).unlink()
    return merit


def main(folder: Path) -> None:
    """One rank."""
    # Written by the process that started this one, for this call.
    fit, network = pickle.loads((folder / _TASK).read_bytes())
    merit = fit(network)
    if os.environ["SLURM_PROCID"] == "0":
        write_tensors(network.state_dict(), folder / _WEIGHTS)
        with atomic_write(folder / _MERIT) as temporary:
            temporary.write_text(json.dumps(merit))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
