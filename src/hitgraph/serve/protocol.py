"""Requests and responses of the Open Inference Protocol, with its extension for binary tensors.

https://github.com/kserve/open-inference-protocol, and extension_binary_data.md of Triton: tensors
may follow the JSON as little-endian bytes, in the order in which it names them.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from reprlib import repr as shown
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.serve.tensors import DTYPES, LABELS, Tensors, TensorSpec

BINARY_SIZE = "binary_data_size"
NOT_OFFERED = ("shared_memory_region", "classification")  # extensions that change what is meant

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Request:
    """What a client asks for."""

    id: str | None
    tensors: Tensors
    binary: bool  # whether the labels go back as bytes


def read_request(body: bytes, json_length: int | None, inputs: Sequence[TensorSpec]) -> Request:
    """The request in a body, whose first `json_length` bytes (None: all) are JSON.

    Raises InputError naming the part that is not what it has to be.
    """
    end = len(body) if json_length is None else json_length
    if not 0 <= end <= len(body):
        raise InputError(
            f"Inference-Header-Content-Length is {end}, of a body of {len(body)} bytes"
        )
    head = _read_json(body[:end])
    if not isinstance(head.get("id", ""), str):
        raise InputError(f"id: is {shown(head['id'])} where a text is expected")
    given, names = _entries(head, "inputs"), [spec.name for spec in inputs]
    found = [tensor["name"] for tensor in given]
    if sorted(found) != sorted(names):
        raise InputError(
            f"inputs: are {shown(found)} where {', '.join(names)} are expected, each once"
        )
    by_name, binary = dict(zip(found, given, strict=True)), _parts(given, memoryview(body)[end:])
    tensors = {spec.name: _tensor(by_name[spec.name], binary, spec) for spec in inputs}
    return Request(head.get("id"), tensors, _wants_binary(head))


def write_response(
    request: Request, labels: NDArray[np.int64], metadata: Json, seconds: float
) -> tuple[bytes, int | None]:
    """The body of the response, and the length of its JSON where bytes follow it.

    `metadata` is that of the model, `seconds` are those in the pipeline.
    """
    output = LABELS.to_dict() | {"shape": [len(labels)]}
    data = labels.astype(DTYPES[LABELS.datatype]).tobytes() if request.binary else b""
    if request.binary:
        output["parameters"] = {BINARY_SIZE: len(data)}
    else:
        output["data"] = labels.tolist()
    head = {
        "model_name": metadata["name"],
        "model_version": metadata["versions"][0],
        "parameters": {"seconds": seconds, **metadata["parameters"]},
        "outputs": [output],
    }
    if request.id is not None:
        head["id"] = request.id
    text = json.dumps(head).encode()
    return text + data, len(text) if request.binary else None


def _read_json(text: bytes) -> Json:
    try:
        head = json.loads(text)
    except RecursionError as error:
        raise InputError("the request: its JSON is nested too deep") from error
    except ValueError as error:
        raise InputError(
            f"the request: is not JSON ({error}); where bytes follow it, the header "
            "Inference-Header-Content-Length has to say how long it is"
        ) from error
    if not isinstance(head, dict):
        raise InputError("the request: an object {...} is expected")
    return head


def _entries(head: Json, key: str) -> list[Json]:
    """The tensors that a request names as inputs or outputs."""
    entries = head.get(key, [])
    if not isinstance(entries, list):
        raise InputError(f"{key}: is {shown(entries)} where a list is expected")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise InputError(f"{key}[{number}]: is {shown(entry)}, not an object with a name")
        for extension in NOT_OFFERED:
            if extension in _parameters(entry, f"{key}[{number}]"):
                raise InputError(f"{shown(entry['name'])}: {extension} is not offered here")
    return entries


def _parameters(entry: Json, where: str) -> Json:
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        raise InputError(f"{where}: parameters are {shown(parameters)}, not an object {{...}}")
    return parameters


def _parts(given: Sequence[Json], rest: memoryview) -> dict[str, memoryview]:
    """The bytes of each input that has some behind the JSON."""
    found, begin = {}, 0
    for tensor in given:
        size = tensor.get("parameters", {}).get(BINARY_SIZE)
        if size is None:
            continue
        if not _is_count(size):
            raise InputError(f"{tensor['name']}: {BINARY_SIZE} is {shown(size)}, not a count")
        found[tensor["name"]] = rest[begin : begin + size]
        begin += size
    if begin != len(rest):
        raise InputError(
            f"{len(rest)} bytes follow the JSON where its {BINARY_SIZE} say {begin}: the request "
            "is cut short, or Inference-Header-Content-Length is wrong or missing"
        )
    return found


def _tensor(
    tensor: Json, binary: dict[str, memoryview], spec: TensorSpec
) -> NDArray[np.float32] | NDArray[np.int32]:
    """The values of an input, held to what it has to be."""
    if tensor.get("datatype") != spec.datatype:
        found = shown(tensor.get("datatype"))
        raise InputError(f"{spec.name}: datatype is {found} where {spec.datatype} is expected")
    shape, wanted = tensor.get("shape"), spec.shape
    if (
        not isinstance(shape, list)
        or len(shape) != len(wanted)
        or not all(map(_is_count, shape))
        or any(size not in (-1, one) for size, one in zip(wanted, shape, strict=True))
    ):
        raise InputError(
            f"{spec.name}: shape is {shown(shape)} where {list(wanted)} is expected (-1: any)"
        )
    data, dtype, count = tensor.get("data"), DTYPES[spec.datatype], math.prod(shape)
    if spec.name not in binary:
        return _numbers(data, shape, dtype, spec.name)
    if data is not None:
        raise InputError(f"{spec.name}: has data and {BINARY_SIZE} where one of them is expected")
    part = binary[spec.name]
    if len(part) != count * dtype.itemsize:
        raise InputError(
            f"{spec.name}: has {len(part)} bytes where shape {shown(shape)} of {spec.datatype} "
            f"needs {count * dtype.itemsize}"
        )
    values: NDArray[np.float32] = np.frombuffer(part, dtype).reshape(shape)
    return values


def _numbers(
    data: object, shape: Sequence[int], dtype: np.dtype[Any], name: str
) -> NDArray[np.float32] | NDArray[np.int32]:
    """The values of an input out of JSON: in rows, or one after the other."""
    if not isinstance(data, list):
        raise InputError(f"{name}: needs data, a list, or {BINARY_SIZE}")
    if all(type(row) is list and [len(row)] == shape[1:] for row in data):
        data = list(chain.from_iterable(data))
    if not set(map(type, data)) <= {int, float}:
        raise InputError(f"{name}: data holds other things than numbers, or rows of another length")
    if len(data) != math.prod(shape):
        raise InputError(
            f"{name}: data has {len(data)} numbers where shape {shown(shape)} needs "
            f"{math.prod(shape)}"
        )
    try:
        found = np.array(data, np.float64)
    except OverflowError as error:
        raise InputError(f"{name}: data holds numbers beyond 64 bits") from error
    if dtype.kind == "i":
        limits = np.iinfo(dtype)
        whole = (found >= limits.min) & (found <= limits.max) & (found == np.rint(found))
        if not whole.all():
            row = int(np.argmin(whole))
            raise InputError(
                f"{name}: data[{row}] is {found[row]:.17g} where a whole number of "
                f"{8 * dtype.itemsize} bits is expected"
            )
    with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
        values: NDArray[np.float32] = found.astype(dtype).reshape(shape)
    return values


def _wants_binary(head: Json) -> bool:
    """Whether labels are to go back as bytes; InputError where other outputs are asked for."""
    wanted = _parameters(head, "the request").get("binary_data_output", False)
    for output in _entries(head, "outputs"):
        if output["name"] != LABELS.name:
            raise InputError(f"outputs: {shown(output['name'])} is none; there is {LABELS.name}")
        wanted = output.get("parameters", {}).get("binary_data", wanted)
    if not isinstance(wanted, bool):
        raise InputError(f"outputs: binary_data is {shown(wanted)}, not true or false")
    return wanted


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0
