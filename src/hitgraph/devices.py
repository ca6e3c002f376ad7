"""The device to compute on, and its precision."""

import torch

from hitgraph.errors import SettingsError

PRECISIONS = {
    "auto": None,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def find_device(name: str) -> torch.device:
    """auto, cpu or cuda[:N] as a device that is there. Raises SettingsError otherwise."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise SettingsError(f"device: {name!r} is not allowed; one of auto, cpu, cuda, cuda:N")
    available = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= available:
        raise SettingsError(
            f"device: {name} is not there ({available} CUDA devices found): use --device cpu"
        )
    return device


def find_precision(name: str, device: torch.device) -> torch.dtype:
    """One of PRECISIONS as a type the device computes with. Raises SettingsError otherwise.

    auto: 32 bits on the CPU, whose kernels have no other; float16 on a GPU.
    """
    if name not in PRECISIONS:
        raise SettingsError(
            f"precision: {name!r} is not allowed; one of auto, {', '.join(list(PRECISIONS)[1:])}"
        )
    precision = PRECISIONS[name]
    if precision is None:
        return torch.float32 if device.type == "cpu" else torch.float16
    if precision != torch.float32 and device.type == "cpu":
        raise SettingsError(
            f"precision: {name} is for GPUs, a CPU computes in float32: leave it out, or take "
            "another --device"
        )
    if precision == torch.bfloat16 and not torch.cuda.is_bf16_supported():
        raise SettingsError(f"precision: this GPU has no {name}: take float16")
    return precision
