"""Tensors in files: safetensors with a check sum, so that damage is noticed."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.files import atomic_write

_CHECK_SUM = "crc32"  # its key among the metadata, which safetensors keeps in the head of a file


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors of any device as safetensors with their check sum, whole or not at all."""
    on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(on_host, {_CHECK_SUM: _check_sum(on_host)}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, on the CPU.

    Raises InputError where it is no safetensors, or not as `write_tensors` left it. A file that
    others wrote, without a check sum, is read as it is.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            wanted = (file.metadata() or {}).get(_CHECK_SUM)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as safetensors ({error})") from error
    if wanted is not None and wanted != (found := _check_sum(tensors)):
        raise InputError(f"{path}: is damaged: its check sum is {found}, not {wanted}")
    return tensors


def _check_sum(tensors: Mapping[str, Tensor]) -> str:
    """Over names, types, shapes and numbers, in the order of the names."""
    crc = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        crc = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), crc)
        # A contiguous tensor of one number may have any stride, which `view` does not take.
        numbers = tensor.as_strided((tensor.numel(),), (1,))
        crc = zlib.crc32(numbers.view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"
