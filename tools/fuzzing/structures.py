"""Damage to what has a structure and no check sum: YAML, tensors, columns of numbers.

Bytes flipped there are mostly refused as no YAML or no safetensors, before anything looks at the
values. Here the file stays well formed, and a value, a key, a shape or a type is another.
"""

import copy
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from fuzzing.damage import Rng

VALUES: tuple[Any, ...] = (
    *(None, True, False, "", "x", "1", "nan", "\x1b[2J", [], {}, [None], [[]], {"use": "x"}),
    *(0, 1, -1, 2, 7, 10**6, 2**31, 2**63, -(2**63), 10**30),
    *(0.0, -0.0, 0.5, 1.0, 1.5, -1.5, 1e-30, 1e30, -1e30, 1e308, float("inf"), float("nan")),
)
FACTORS = (-1, 0, 0.5, 2, 10, 1000)
NUMBERS = (0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 1e30, -1e30, 3e38, np.inf, -np.inf, np.nan)


def damaged_yaml(data: bytes, rng: Rng) -> bytes:
    """One or two values replaced, scaled, left out, doubled, moved, or a key renamed."""
    content = yaml.safe_load(data)
    for _ in range(rng.integers(1, 3)):
        places = list(_places(content))
        holder, key = places[rng.integers(len(places))]
        change, value = rng.integers(9), holder[key]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if change <= 1 and number:
            scaled = value * FACTORS[rng.integers(len(FACTORS))]
            holder[key] = int(scaled) if isinstance(value, int) else scaled
        elif change == 2:
            del holder[key]
        elif change == 3 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(value))
        elif change == 4 and isinstance(holder, list):
            rng.shuffle(holder)
        elif change == 5 and isinstance(holder, dict):
            holder[str(rng.choice(["", "use", "name", "x", key + "s"]))] = holder.pop(key)
        elif change == 6:
            other, place = places[rng.integers(len(places))]
            holder[key] = copy.deepcopy(other[place])
        else:
            holder[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    return yaml.safe_dump(content, sort_keys=False).encode()


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list with each of its keys."""
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield content, key
            yield from _places(content[key])


def damaged_tensors(data: bytes, rng: Rng) -> bytes:
    """One tensor of safetensors with other numbers, of another shape or type, gone or doubled."""
    from safetensors.numpy import load, save

    tensors = load(data)
    name = str(rng.choice(sorted(tensors)))
    tensor, change = tensors[name], rng.integers(12)
    if change <= 5:
        tensors[name] = damaged_numbers(tensor, rng)
    elif change == 6:
        del tensors[name]
    elif change == 7:
        tensors[str(rng.choice(["", "x", name + "s", *tensors]))] = tensor
    elif change == 8:
        tensors[name] = tensor.astype(rng.choice(["f2", "f4", "f8", "i4", "i8", "u1", "?"]))
    elif change == 9:
        shape = [tensor.T, tensor[None], tensor.reshape(-1), np.resize(tensor, 0)]
        tensors[name] = shape[rng.integers(len(shape))]
    elif change == 10:
        tensors[name] = tensor[: rng.integers(len(tensor) + 1)] if tensor.ndim else tensor[None]
    else:
        other = str(rng.choice(sorted(tensors)))
        tensors[name], tensors[other] = tensors[other], tensor
    return save({key: np.ascontiguousarray(one) for key, one in tensors.items()})


def damaged_columns(data: bytes, rng: Rng) -> bytes:
    """A parquet file with one column of other numbers or gone, or with rows gone or doubled."""
    table = pq.read_table(io.BytesIO(data), use_threads=False)
    column, change = int(rng.integers(table.num_columns)), rng.integers(8)
    name, rows = table.column_names[column], np.arange(table.num_rows)
    if change <= 4:
        values = table.column(column).to_numpy()
        if values.dtype.kind in "iuf":
            table = table.set_column(column, name, pa.array(damaged_numbers(values, rng)))
    elif change == 5:
        table = table.drop_columns([name])
    elif change == 6:
        table = table.take(pa.array(np.sort(rng.choice(rows, rng.integers(len(rows) + 1)))))
    else:
        table = table.take(pa.array(rng.permutation(rows)))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


@np.errstate(all="ignore")
def damaged_numbers(values: np.ndarray, rng: Rng) -> np.ndarray:
    """One, some or all values set, scaled, exchanged, or drawn at random."""
    changed = values.copy()
    share = rng.choice([0, 0.1, 1])
    where = rng.random(values.shape) < share
    if values.size and not where.any():
        where.flat[rng.integers(values.size)] = True
    change = rng.integers(4)
    if change <= 1:
        fits = np.finfo(values.dtype) if values.dtype.kind == "f" else np.iinfo(values.dtype)
        number = NUMBERS[rng.integers(len(NUMBERS))]
        if values.dtype.kind != "f":
            number = [0, 1, -1, 7, fits.max, fits.min][rng.integers(6)]
        changed[where] = np.clip(number, fits.min, fits.max) if np.isfinite(number) else number
    elif change == 2:
        factor = FACTORS[rng.integers(len(FACTORS))]
        changed[where] = (values[where] * factor).astype(values.dtype)
    else:
        changed[where] = rng.permutation(values[where])
    return changed
