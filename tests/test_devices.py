"""Which devices there are."""

from pathlib import Path

import pytest
import torch

from hitgraph.devices import find_device
from hitgraph.errors import SettingsError
from hitgraph.pipeline import Pipeline


def test_devices_that_are_there() -> None:
    assert find_device("cpu").type == "cpu"
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu", "gpu", "", "cuda:x", "mps", "meta"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"device: '{name}' is not allowed; one of auto, cpu"):
        find_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_that_is_not_there_is_refused(
    name: str, tiny_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    message = rf"device: {name} is not there \(0 CUDA devices found\): use --device cpu"
    with pytest.raises(SettingsError, match=message):
        Pipeline.load(tiny_pipeline, name)
