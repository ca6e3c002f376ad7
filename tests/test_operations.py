"""Every operation gives the same by the kernels of the CPU and in torch."""

import ast
import importlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hitgraph
from hitgraph.kernels.choice import Backend
from hitgraph.operations import OPERATIONS, Operation

operations = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
SOURCE = Path(hitgraph.__file__).parents[1]
ON_GPU = {  # joining takes the merge's
    name: one
    for name, one in OPERATIONS.items()
    if name == "joining" or (SOURCE / one.package.replace(".", "/") / "gpu.py").exists()
}


def tensors_of(found: object) -> list[Tensor]:
    return [found] if isinstance(found, Tensor) else list(found)  # type: ignore[call-overload]


def sorted_by_edge(tensors: list[Tensor]) -> list[Tensor]:
    edges, *rest = tensors
    order = torch.argsort(edges[0].long() * (1 << 32) + edges[1].long())
    return [edges[:, order], *(one[order] for one in rest)]


@operations
@pytest.mark.parametrize("seed", range(6))
def test_both_ways_give_the_same(operation: Operation, seed: int) -> None:
    same(operation, seed, "cpu", "plain")


@pytest.mark.parametrize("operation", ON_GPU.values(), ids=ON_GPU)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of the interpreter's numpy
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_the_kernels_of_a_gpu_give_the_same(operation: Operation, seed: int) -> None:
    """By Triton's interpreter, on the host."""
    if torch.cuda.is_available():
        pytest.skip("Triton's interpreter is for machines without a GPU, which runs the kernels")
    pytest.importorskip("triton", reason="Triton is not installed (PyTorch for CUDA brings it)")
    same(operation, seed, "plain", "gpu")


def same(operation: Operation, seed: int, first: Backend, second: Backend) -> None:
    compute = operation.example(seed)
    one, other = (tensors_of(compute(backend)) for backend in (first, second))
    assert sum(tensor.numel() for tensor in one) > 0
    if operation.free == "order":
        one, other = sorted_by_edge(one), sorted_by_edge(other)
    for left, right in zip(one, other, strict=True):
        assert left.dtype == right.dtype
        if operation.free == "nothing" or not left.is_floating_point():
            assert torch.equal(left, right)
        else:
            finite = left[torch.isfinite(left)].abs()
            scale = max(1.0, float(finite.max()) if finite.numel() else 0.0)
            torch.testing.assert_close(left, right, rtol=1e-4, atol=2e-5 * scale, equal_nan=True)


@operations
def test_auto_takes_the_kernels_for_what_is_in_the_memory_of_the_host(operation: Operation) -> None:
    compute = operation.example(3)
    for one, other in zip(tensors_of(compute("auto")), tensors_of(compute("cpu")), strict=True):
        assert torch.equal(one.nan_to_num(), other.nan_to_num())


def test_whoever_chooses_a_backend_is_listed() -> None:
    """A package that asks `for_host` has an operation here."""
    root = Path(hitgraph.__file__).parent
    listed = {operation.package for operation in OPERATIONS.values()}
    for path in root.rglob("*.py"):
        module = ".".join(["hitgraph", *path.relative_to(root).with_suffix("").parts])
        called = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if "for_host" in called:
            package = module.removesuffix(".__init__")
            assert {package, package.rpartition(".")[0]} & listed, module


def test_every_listed_package_is_there() -> None:
    for operation in OPERATIONS.values():
        importlib.import_module(operation.package)
