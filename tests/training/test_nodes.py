"""Ranks on the nodes of a Slurm job, with an srun of our own that starts them on this machine."""

import os
import sys
from pathlib import Path

import pytest
import torch
from tests.training.test_fit import Larger, network, settings
from tests.training.test_ranks import Dies, assert_close

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.training.clock import TrainingClock
from hitgraph.training.fit import fit
from hitgraph.training.nodes import nodes_of

# It forks its ranks, which saves the seconds that each would need for its imports.
SRUN = f"""#!{sys.executable} -Wignore
import os, runpy, signal, sys
import hitgraph.training.fit
told = dict(word[2:].split("=") for word in sys.argv[1:] if word.startswith("--"))
command = [word for word in sys.argv[1:] if not word.startswith("--")]
assert command[0] == sys.executable, command
module, folder = sys.argv[sys.argv.index("-m") + 1 :]
n, each = int(told["ntasks"]), int(told["ntasks-per-node"])
ranks = []
for rank in range(n):
    own = dict(SLURM_PROCID=rank, SLURM_LOCALID=rank % each, SLURM_NODEID=rank // each,
               SLURM_NTASKS=n, SLURM_NNODES=told["nodes"], SLURM_NTASKS_PER_NODE=each,
               SLURM_NODELIST="127.0.0.1")
    own["LOCAL_RANK"] = rank  # for the rank that dies
    ranks.append(os.fork())
    if ranks[-1] == 0:
        os.environ.update((key, str(value)) for key, value in own.items())
        sys.argv = [module, folder]
        runpy.run_module(module, run_name="__main__")
        sys.exit()
while ranks:
    ended, status = os.wait()
    ranks.remove(ended)
    if status:
        for other in ranks:
            os.kill(other, signal.SIGKILL)
        sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


@pytest.fixture
def two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a job with two nodes."""
    program = tmp_path / "bin" / "srun"
    program.parent.mkdir()
    program.write_text(SRUN)
    program.chmod(0o755)
    here = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    for name, value in {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(here),
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_NAME": "train",
        "SLURM_JOB_ID": str(10_000 + os.getpid() % 10_000),
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.slow
@pytest.mark.usefixtures("two_nodes")
def test_ranks_on_two_nodes_come_to_the_weights_of_one_process(tmp_path: Path) -> None:
    two = settings(epochs=1, batches_a_step=4)
    alone, shared = network(), network()
    merit = fit(alone, Larger(), two, tmp_path / "alone", quiet=True)
    clock = TrainingClock(threads=1)  # as that of `study scaling`
    found = fit(shared, Larger(), two, tmp_path / "shared", quiet=True, ranks=4, clock=clock)
    assert found["epoch_seconds"] > 0
    assert_close(alone, shared)
    assert found["val_loss"] == pytest.approx(merit["val_loss"], rel=1e-4)
    left = sorted(path.name for path in (tmp_path / "shared").iterdir())
    assert left == ["checkpoints", "csv", "tensorboard"]
    assert all(torch.isfinite(weight).all() for weight in shared.parameters())

    with pytest.raises(HitgraphError, match=r"a rank of the training has ended \(srun: exit stat"):
        fit(network(), Dies(), settings(epochs=2, batches_a_step=2), tmp_path / "died", ranks=2)


@pytest.mark.usefixtures("two_nodes")
def test_ranks_that_nodes_cannot_share_are_refused() -> None:
    assert (nodes_of(1), nodes_of(4)) == (1, 2)
    with pytest.raises(SettingsError, match="3 cannot be spread evenly over the 2 nodes"):
        nodes_of(3)
