"""A search whose process is killed goes on with the trial that it was at."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.test_search import changed, content_of, words

pytest.importorskip("optuna", reason="Optuna is not installed (extra search)")

from optuna.trial import TrialState

from hitgraph.cli import OK, main
from hitgraph.search.standing import KEY, WHY
from hitgraph.search.store import open_study

RUN = "import sys; from hitgraph.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.slow
def test_killed_and_resumed_it_loses_no_trial(tiny_store: Path, tmp_path: Path) -> None:
    line = changed(changed(words(tmp_path, tiny_store), "--trials", 2), "--epochs", 40)
    path = tmp_path / "out" / "search.journal"
    job = subprocess.Popen(
        [sys.executable, "-c", RUN, *line],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    at_work = []
    while not at_work:
        assert job.poll() is None
        time.sleep(0.05)
        study = open_study(str(path), "tiny") if path.is_file() else None
        if study is not None:
            running = study.get_trials(states=[TrialState.RUNNING])
            at_work = [one for one in running if KEY in one.user_attrs]
    job.kill()
    job.wait(timeout=60)

    assert main([*line, "--resume"]) == OK
    study = open_study(str(path), "tiny")
    assert study is not None
    (lost,) = (one for one in study.trials if one.state == TrialState.FAIL)
    assert lost.number == at_work[0].number
    assert WHY not in lost.user_attrs
    again = study.trials[lost.number + 1]
    assert again.params == lost.params
    assert again.user_attrs[KEY] == lost.user_attrs[KEY]
    assert [one["name"] for one in content_of(line)["trials"][1:]] == ["trial 2", "trial 3"]
