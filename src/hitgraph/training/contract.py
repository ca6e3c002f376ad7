"""What a stage leaves of the events that it was taught on, held to what a State may hold.

Stages come from other packages too. A wrong graph or wrong labels would show far behind the stage
that made them, or never: as a training that learns nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from hitgraph.errors import ContractError
from hitgraph.hits.direction import squared_distance
from hitgraph.recipe import Step
from hitgraph.stage import Stage, class_of
from hitgraph.state import State


@contextmanager
def contract_of(step: Step) -> Iterator[None]:
    """Name the stage in the ContractErrors inside."""
    try:
        yield
    except ContractError as error:
        raise ContractError(f"stage {step.name} ({class_of(step.settings)}): {error}") from error


def tensors_of(stage: object) -> dict[str, Tensor]:
    """What a stage that was just taught has learnt. Raises ContractError where it is no stage."""
    if not (callable(stage) and callable(getattr(stage, "tensors", None))):
        raise ContractError(
            f"learn returned {type(stage).__name__}: return the stage, with __call__ and tensors"
        )
    taught: Stage = stage  # type: ignore[assignment]
    tensors = taught.tensors()
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ContractError(
                f"tensors: {name} is a {type(tensor).__name__}: give tensors, a number as "
                "hitgraph.tensors.number(value)"
            )
    return {name: tensor.detach() for name, tensor in tensors.items()}


def check_state(before: State, after: State) -> None:
    """Raise ContractError for a graph, labels or columns that are not what they have to be."""
    n_hits = len(after.hits)
    if after.edges is not None and after.edges is not before.edges:
        _check_edges(after.edges, after.hits.position)
    if after.labels is not None and after.labels is not before.labels:
        _check_labels(after.labels, n_hits)
    for kind, columns, n in (
        ("hit", after.hit, n_hits),
        ("edge", after.edge, after.n_edges),
        ("track", after.track, after.n_tracks),
    ):
        _check_columns(kind, columns, n)


def _check_edges(edges: Tensor, position: Tensor) -> None:
    _check_type("edges", edges, (2, None))
    if not edges.numel():
        return
    lowest, highest = (int(end) for end in edges.aminmax())
    if lowest < 0 or highest >= len(position):
        raise ContractError(
            f"edges name hits {lowest} to {highest}: expected 0 to {len(position) - 1}"
        )
    inner, outer = edges
    distance = squared_distance(position)
    if n := int((distance[inner] > distance[outer]).sum()):
        raise ContractError(
            f"{n} of {len(inner)} edges run inwards: the first row is the inner hit, nearer to the "
            "origin (hitgraph.hits.direction.squared_distance)"
        )
    if n := int((inner == outer).sum()):
        raise ContractError(f"{n} of {len(inner)} edges join a hit with itself")
    if n := len(inner) - len(torch.unique(inner * len(position) + outer)):
        raise ContractError(f"{n} of {len(inner)} edges are there twice: give each pair once")


def _check_labels(labels: Tensor, n_hits: int) -> None:
    _check_type("labels", labels, (n_hits,))
    found = torch.unique(labels[labels != -1])
    if not torch.equal(found, torch.arange(len(found), device=found.device)):
        raise ContractError(
            f"labels have {len(found)} different values from {int(found[0])} to {int(found[-1])}: "
            "number tracks from 0 without gaps, -1 = none"
        )


def _check_columns(kind: str, columns: Mapping[str, Tensor], n: int) -> None:
    for name, column in columns.items():
        if column.shape[:1] != (n,):
            raise ContractError(
                f"{kind}.{name} has shape {tuple(column.shape)}: expected a row for each of the "
                f"{n} {kind}s"
            )
        if column.is_floating_point() and bool(column.isnan().any()):
            raise ContractError(f"{kind}.{name} has values that are not a number")


def _check_type(name: str, tensor: object, shape: tuple[int | None, ...]) -> None:
    words = "(" + ", ".join("n" if n is None else str(n) for n in shape) + ("," * (len(shape) == 1))
    wanted = f"expected an int64 tensor of shape {words})"
    if not isinstance(tensor, Tensor):
        raise ContractError(f"{name} is a {type(tensor).__name__}: {wanted}")
    fits = tensor.ndim == len(shape) and all(
        n is None or n == size for n, size in zip(shape, tensor.shape, strict=True)
    )
    if tensor.dtype != torch.int64 or not fits:
        raise ContractError(f"{name} are {tensor.dtype} of shape {tuple(tensor.shape)}: {wanted}")
