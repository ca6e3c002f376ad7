"""Files of tensors: what is written comes back, and damage is noticed."""

import contextlib
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.tensor_files import read_tensors, write_tensors

TENSORS: dict[str, Tensor] = {
    "weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "cut": torch.tensor(0.5, dtype=torch.float64),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "chosen": torch.tensor([True, False]),
    "nothing": torch.empty(2, 0, dtype=torch.int64),
    "one": torch.zeros(1).expand(1),
    "turned": torch.arange(6).reshape(2, 3).T,
}


def assert_same(found: dict[str, Tensor]) -> None:
    assert found.keys() == TENSORS.keys()
    for name, tensor in found.items():
        assert tensor.dtype == TENSORS[name].dtype
        assert torch.equal(tensor, TENSORS[name])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tensors") / "some.safetensors"
    write_tensors(TENSORS, path)
    return path


def test_what_is_written_comes_back(written: Path) -> None:
    assert_same(read_tensors(written))


@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_changes_nothing_without_a_word(
    written: Path, share: float, bit: int
) -> None:
    content = bytearray(written.read_bytes())
    content[int(share * len(content))] ^= 1 << bit
    path = written.with_name("flipped.safetensors")
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert_same(read_tensors(path))


def test_a_flipped_bit_of_a_number_is_noticed(written: Path, tmp_path: Path) -> None:
    content = bytearray(written.read_bytes())
    content[content.index(TENSORS["weight"].numpy().tobytes()) + 5] ^= 1
    path = tmp_path / "flipped.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"flipped\.safetensors: is damaged: its check sum is"):
        read_tensors(path)


def test_a_file_cut_short_is_refused_wherever_it_is_cut(written: Path, tmp_path: Path) -> None:
    content, path = written.read_bytes(), tmp_path / "cut.safetensors"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.safetensors: cannot be read as safetensors"):
            read_tensors(path)


def test_tensors_of_others_need_no_check_sum(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "theirs")
    assert read_tensors(tmp_path / "theirs")["a"].tolist() == [1.0, 1.0]
