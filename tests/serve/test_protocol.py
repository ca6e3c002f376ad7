"""Bodies of requests and responses: what the client of Triton writes and reads, what is wrong."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.errors import InputError
from hitgraph.serve.protocol import read_request, write_response
from hitgraph.serve.tensors import CELLS, CHARGES, FEATURES, MODULES

INPUTS = (FEATURES, MODULES, CELLS, CHARGES)
METADATA = {"name": "hitgraph", "versions": ["1"], "parameters": {"pipeline": "tiny"}}
TENSORS = {
    "FEATURES": np.array([[1.5, -2, 3], [4, 5e-7, 6]], np.float32),
    "MODULES": np.array([[8, 2, 1], [8, 4, 2**20]], np.int32),
    "CELLS": np.array([[0, 1, 2], [0, 3, 4], [1, 5, 6]], np.int32),
    "CHARGES": np.array([0.1, 0.2, 0.3], np.float32),
}


def body_of(binary: bool, **options: Any) -> tuple[bytes, int | None]:
    """As the client of Triton writes it."""
    http = pytest.importorskip("tritonclient.http")
    inputs = []
    for spec in INPUTS:
        values = TENSORS[spec.name]
        inputs.append(http.InferInput(spec.name, list(values.shape), spec.datatype))
        inputs[-1].set_data_from_numpy(values, binary_data=binary)
    body, length = http.InferenceServerClient.generate_request_body(inputs, **options)
    return body, length


def mapping(**changes: Any) -> dict[str, Any]:
    """A request in JSON."""
    inputs = [
        {
            "name": spec.name,
            "shape": list(TENSORS[spec.name].shape),
            "datatype": spec.datatype,
            "data": TENSORS[spec.name].ravel().tolist(),
        }
        for spec in INPUTS
    ]
    return {"inputs": inputs, **changes}


def read(request: Any) -> Any:
    return read_request(json.dumps(request).encode(), None, INPUTS)


def assert_same_tensors(found: Any) -> None:
    assert found.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("binary", [True, False])
def test_what_the_client_of_triton_writes_is_read(binary: bool) -> None:
    request = read_request(*body_of(binary, request_id="event 7"), INPUTS)
    assert (request.id, request.binary) == ("event 7", True)
    assert_same_tensors(request.tensors)


@pytest.mark.parametrize("binary", [True, False])
def test_what_is_written_the_client_of_triton_reads(binary: bool) -> None:
    http = pytest.importorskip("tritonclient.http")
    wanted = [http.InferRequestedOutput("LABELS", binary_data=binary)]
    request = read_request(*body_of(True, outputs=wanted, request_id="7"), INPUTS)
    labels = np.array([3, -1, 2**40])
    body, length = write_response(request, labels, METADATA, 0.25)
    assert (length is not None) == binary
    result = http.InferenceServerClient.parse_response_body(body, header_length=length)
    assert result.as_numpy("LABELS").dtype == np.int64
    np.testing.assert_array_equal(result.as_numpy("LABELS"), labels)
    head = result.get_response()
    assert (head["model_name"], head["model_version"], head["id"]) == ("hitgraph", "1", "7")
    assert head["parameters"] == {"seconds": 0.25, "pipeline": "tiny"}


def test_rows_of_json_are_as_good_as_a_line() -> None:
    request = mapping()
    for tensor in request["inputs"]:
        tensor["data"] = TENSORS[tensor["name"]].tolist()
    assert_same_tensors(read(request).tensors)


def test_no_hits_are_a_request() -> None:
    request = mapping()
    for tensor in request["inputs"]:
        tensor["data"], tensor["shape"][0] = [], 0
    assert {len(values) for values in read(request).tensors.values()} == {0}


Change = Callable[[dict[str, Any]], None]


def of(name: str, /, **changes: Any) -> Change:
    """Other entries of an input."""

    def change(request: dict[str, Any]) -> None:
        next(one for one in request["inputs"] if one["name"] == name).update(changes)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (of("CELLS", name="cells"), "inputs: are .* where FEATURES, MODULES, CELLS, CHARGES"),
        (of("CELLS", name="CHARGES"), "each once"),
        (of("CELLS", name=3), r"inputs\[2\]: is .* not an object with a name"),
        (of("FEATURES", datatype="FP64"), "FEATURES: datatype is 'FP64' where FP32 is expected"),
        (of("FEATURES", datatype=None), "FEATURES: datatype is None"),
        (of("FEATURES", shape=[2, 4]), r"FEATURES: shape is \[2, 4\] where \[-1, 3\]"),
        (of("FEATURES", shape=[6]), r"FEATURES: shape is \[6\]"),
        (of("FEATURES", shape=[-2, -3]), r"FEATURES: shape is \[-2, -3\]"),
        (of("FEATURES", shape=[True, 3]), r"FEATURES: shape is \[True, 3\]"),
        (of("FEATURES", shape=[2.0, 3]), r"FEATURES: shape is \[2.0, 3\]"),
        (of("FEATURES", shape="23"), "FEATURES: shape is '23'"),
        (of("FEATURES", shape=[10**30, 3]), "FEATURES: data has 6 numbers where shape"),
        (of("FEATURES", data=[1.0] * 5), "FEATURES: data has 5 numbers .* needs 6"),
        (of("FEATURES", data=[[1.0] * 3, [1.0] * 2]), "FEATURES: data holds other things"),
        (of("FEATURES", data=["1"] * 6), "FEATURES: data holds other things than numbers"),
        (of("FEATURES", data=[True] * 6), "FEATURES: data holds other things than numbers"),
        (of("FEATURES", data=[10**400] * 6), "FEATURES: data holds numbers beyond 64 bits"),
        (of("FEATURES", data=None), "FEATURES: needs data, a list, or binary_data_size"),
        (of("MODULES", data=[1.5] * 6), r"MODULES: data\[0\] is 1.5 where a whole number"),
        (of("MODULES", data=[0, 2**31] + [0] * 4), r"MODULES: data\[1\] is 2147483648 where"),
        (of("MODULES", data=[float("nan")] * 6), r"MODULES: data\[0\] is nan where a whole"),
        (of("CELLS", parameters=[]), r"inputs\[2\]: parameters are \[\]"),
        (of("CELLS", parameters={"binary_data_size": -1}), "CELLS: binary_data_size is -1"),
        (of("CELLS", parameters={"binary_data_size": 9}), "0 bytes follow the JSON .* say 9"),
        (of("CELLS", parameters={"binary_data_size": 0}), "CELLS: has data and binary_data_size"),
        (of("CELLS", parameters={"shared_memory_region": "a"}), "is not offered here"),
        (lambda request: request.pop("inputs"), r"inputs: are \[\] where"),
        (lambda request: request.update(inputs={}), "inputs: is {} where a list is expected"),
        (lambda request: request.update(id=7), "id: is 7 where a text is expected"),
        (lambda request: request.update(outputs=[{"name": "X"}]), "outputs: 'X' is none; there is"),
        (
            lambda request: request.update(parameters={"binary_data_output": 1}),
            "binary_data is 1, not true or false",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_told(change: Change, says: str) -> None:
    request = mapping()
    change(request)
    with pytest.raises(InputError, match=says):
        read(request)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "an object {...} is expected"),
        (b'{"inputs":' + b"[" * 1_000_000, "nested too deep"),
        (b'{"id": 1' + b"0" * 5000 + b"}", "is not JSON"),
    ],
)
def test_a_body_that_is_no_request(body: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_request(body, None, INPUTS)


def test_numbers_beyond_single_precision_are_not_finite() -> None:
    """Which the tensors of an event have to be."""
    request = mapping()
    of("FEATURES", data=[1e300] + [0.0] * 5)(request)
    assert np.isinf(read(request).tensors["FEATURES"][0, 0])


@given(st.data())
def test_a_body_that_is_cut_short_is_refused(data: st.DataObject) -> None:
    body, length = body_of(True)
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(InputError):
        read_request(body[:cut], length, INPUTS)


@given(st.data())
def test_damaged_bodies_are_requests_of_the_right_kind_or_refused(data: st.DataObject) -> None:
    body, length = body_of(True)
    damaged = bytearray(body)
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    length = data.draw(st.sampled_from([length, None, 0, len(body), len(body) + 1]))
    try:
        request = read_request(bytes(damaged), length, INPUTS)
    except InputError:
        return
    for spec in INPUTS:
        values = request.tensors[spec.name]
        assert values.dtype == TENSORS[spec.name].dtype
        assert values.shape[1:] == spec.shape[1:]
