"""What the shell completes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hitgraph.cli import COMMANDS, main
from hitgraph.pipeline_files import shipped_pipelines
from hitgraph.recipe_files import shipped_recipes


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "hitgraph.bash"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as file:
        patch.setattr("sys.stdout", file)
        assert main(["completion", "bash"]) == 0
    return path


def complete(script: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    line = " ".join(f"'{word}'" for word in ("hitgraph", *words))
    code = (
        f"source '{script}'; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _hitgraph; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [bash, "-c", code], capture_output=True, text=True, check=True, cwd=script.parent
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_commands_and_options_are_completed(script: Path) -> None:
    assert complete(script, "") == set(COMMANDS)
    assert complete(script, "re") == {"reconstruct", "report"}
    assert complete(script, "info", "--wo") == {"--workers"}
    assert {"--pipeline", "--out", "--resume", "--force"} <= complete(script, "reconstruct", "--")
    assert complete(script, "study", "noise", "--fr") == {"--fractions"}


def test_names_and_values_are_completed(script: Path) -> None:
    assert complete(script, "convert", "--to", "par") == {"parquet"}
    assert set(shipped_pipelines()) <= complete(script, "reconstruct", "--pipeline", "")
    assert set(shipped_recipes()) <= complete(script, "train", "")
    assert complete(script, "study", "mis") == {"misalignment"}


def test_files_are_completed(script: Path) -> None:
    assert script.name in complete(script, "info", "hit")


def test_the_script_for_zsh_is_that_of_bash_with_its_completion_loaded(
    script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "zsh"]) == 0
    text = capsys.readouterr().out
    assert text.endswith(script.read_text())
    assert text.startswith("autoload")
