"""Tries one after another in workers, of which one may die: the next goes on behind it."""

import argparse
import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.checks import Failure, Words, require_readable
from fuzzing.damage import Rng
from fuzzing.kind import Kind
from fuzzing.kinds import KINDS, make_kind
from hitgraph.errors import HitgraphError

MEMORY = 6 << 30  # bytes of data; a small table needs a thousandth
IN_MEMORY = Path("/dev/shm")  # where a try's files are written, if it is there: a disk takes longer


def one_try(kind: Kind, folder: Path, rng: Rng) -> str:
    """How a try went; raises Failure."""
    words = Words()
    logger = logging.getLogger("hitgraph")
    logger.addHandler(words)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return kind.run(kind, folder, rng, words)
    except HitgraphError as error:
        require_readable(str(error))
        return "refused"
    except Failure:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        raise Failure(f"traceback: {type(error).__name__}: {error} ({where})") from error
    finally:
        logger.removeHandler(words)


def work(args: argparse.Namespace) -> int:
    """The tries from --first on, each noted in --progress before it starts."""
    logging.getLogger("hitgraph").propagate = False
    if IN_MEMORY.is_dir():
        tempfile.tempdir = str(IN_MEMORY)
    made = {name: make_kind(name) for name in args.kinds}
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    outcomes: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    for number in range(args.first, args.tries):
        args.progress.write_text(str(number))
        name = args.kinds[number % len(args.kinds)]
        rng = np.random.default_rng([args.seed, KINDS.index(name), number])
        with tempfile.TemporaryDirectory() as folder:
            signal.alarm(args.seconds)
            try:
                outcomes[f"{name} {one_try(made[name], Path(folder), rng)}"] += 1
            except Failure as failure:
                failures.append({"try": number, "kind": name, "why": str(failure)[:500]})
                _keep(Path(folder), args.keep, name, number)
            signal.alarm(0)
        args.report.write_text(json.dumps({"outcomes": outcomes, "failures": failures}))
    return 0


def _keep(folder: Path, keep: Path | None, name: str, number: int) -> None:
    if keep is not None:
        shutil.copytree(folder, keep / f"{name}-{number}", dirs_exist_ok=True)


def run(args: argparse.Namespace, worker: Sequence[str]) -> int:
    """All tries in workers, each started by the command `worker`; prints what became of them."""
    outcomes: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        args.progress, args.report = Path(name, "progress"), Path(name, "report")
        first = 0
        while first < args.tries:
            for path in (args.progress, args.report):
                path.write_text("")
            command = [*worker, *_arguments(args, first)]
            status = subprocess.run(command, env=_alone(), check=False).returncode
            done = json.loads(args.report.read_text() or '{"outcomes": {}, "failures": []}')
            outcomes.update(done["outcomes"])
            failures += done["failures"]
            if status == 0:
                break
            reached = args.progress.read_text()
            if not reached:
                raise SystemExit(f"a worker ended with {status} before its first try")
            number = int(reached)
            why = "hang" if status == -signal.SIGALRM else f"crash: status {status}"
            kind = args.kinds[number % len(args.kinds)]
            failures.append({"try": number, "kind": kind, "why": why})
            first = number + 1
    lines = [f"{count:8,} {outcome}" for outcome, count in sorted(outcomes.items())]
    lines += [f"FAILED try {f['try']} ({f['kind']}): {f['why']}" for f in failures]
    total = sum(outcomes.values()) + len(failures)
    lines.append(f"{total:,} tries, {len(failures)} failed (seed {args.seed})")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if failures else 0


def _arguments(args: argparse.Namespace, first: int) -> list[str]:
    """Of a worker that begins with the try `first`."""
    keep = [] if args.keep is None else ["--keep", str(args.keep)]
    numbers = {"--tries": args.tries, "--seed": args.seed, "--seconds": args.seconds}
    options = [text for name, value in numbers.items() for text in (name, str(value))]
    places = ["--progress", str(args.progress), "--report", str(args.report)]
    return [*options, *keep, *places, "--first", str(first), "--kinds", *args.kinds]


def _alone() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
