"""A Dask cluster of Slurm jobs for `hitgraph ... --dask`, kept until Ctrl-C.

python examples/slurm/cluster.py --jobs 8 --partition main &
hitgraph reconstruct data/pu200 --out tracks --dask "$(cat scheduler.txt)"
"""

import argparse
import signal
from pathlib import Path

from dask_jobqueue import SLURMCluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="workers, each a job with one core")
    parser.add_argument("--partition", help="of Slurm")
    parser.add_argument("--memory", default="4GB", help="of each worker")
    parser.add_argument("--walltime", default="01:00:00", help="of each job")
    parser.add_argument("--address", type=Path, default=Path("scheduler.txt"), help="written here")
    args = parser.parse_args()
    cluster = SLURMCluster(
        queue=args.partition,
        cores=1,
        processes=1,
        memory=args.memory,
        walltime=args.walltime,
        job_extra_directives=["--requeue"],
    )
    with cluster:
        cluster.scale(jobs=args.jobs)
        args.address.write_text(cluster.scheduler_address + "\n")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
