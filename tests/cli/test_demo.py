"""hitgraph demo: three commands one after the other."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from hitgraph.cli import OK, demo, make_parser


@pytest.mark.parametrize("installed", [True, False])
def test_without_the_extra_it_is_said_first_and_the_rest_is_done(
    installed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    called: list[str] = []

    def command(words: list[str]) -> int:
        assert ("without report.html" in capsys.readouterr().out) == (not (installed or called))
        called.append(words[0])
        return OK

    args = make_parser("demo").parse_args(["demo", "--out", str(tmp_path)])
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name: find_spec(name) if installed or name != "mplhep" else None,
    )
    monkeypatch.setattr("hitgraph.cli.main", command)
    assert demo.run(args) == OK
    assert called == ["reconstruct", "evaluate", *(["report"] if installed else [])]
