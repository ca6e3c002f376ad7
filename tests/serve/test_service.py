"""`hitgraph serve` with a real pipeline, and the real client of Triton."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tritonclient.http")
pytest.importorskip("uvicorn", reason="needs the extra serve")

import tritonclient.http as http
from tests.serve.services import Address, started

from hitgraph.cli import CANNOT_START, main
from hitgraph.event.event import Event
from hitgraph.event.source import read_event
from hitgraph.pipeline import Pipeline
from hitgraph.serve.tensors import Tensors, tensors_of

DATATYPES = {"f": "FP32", "i": "INT32"}
LIMIT = 1 << 20  # bytes of a request


def command(pipeline: Path) -> tuple[str, ...]:
    options = ("--port", "0", "--workers", "2", "--queue", "4", "--max-mb", "1", "--device", "cpu")
    return (sys.executable, "-m", "hitgraph.cli", "serve", str(pipeline), *options)


@pytest.fixture(scope="module")
def service(tiny_pipeline: Path) -> Iterator[Address]:
    with started(command(tiny_pipeline)) as address:
        yield address
        address.process.send_signal(signal.SIGTERM)
        assert address.process.wait(timeout=60) == 0  # its end is no failure


@pytest.fixture
def client(service: Address) -> Iterator[Any]:
    with http.InferenceServerClient(service.host) as client:
        yield client


@pytest.fixture(scope="module")
def tensors(tiny_event: Event) -> Tensors:
    return tensors_of(tiny_event, clusters=True)


@pytest.fixture(scope="module")
def labels(tiny_pipeline: Path, tiny_event: Event) -> np.ndarray:
    return Pipeline.load(tiny_pipeline).run(tiny_event).labels


def inputs_of(tensors: Tensors, binary: bool = True) -> list[Any]:
    inputs = []
    for name, values in tensors.items():
        inputs.append(http.InferInput(name, list(values.shape), DATATYPES[values.dtype.kind]))
        inputs[-1].set_data_from_numpy(values, binary_data=binary)
    return inputs


def test_the_model_says_what_it_needs(client: Any, tensors: Tensors) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("hitgraph", "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "hitgraph"
    metadata = client.get_model_metadata("hitgraph")
    assert metadata["versions"] == ["1"]
    assert metadata["parameters"]["pipeline"] == "tiny"
    assert metadata["outputs"] == [{"name": "LABELS", "datatype": "INT64", "shape": [-1]}]
    assert [(one["name"], one["datatype"], one["shape"]) for one in metadata["inputs"]] == [
        (name, DATATYPES[values.dtype.kind], [-1, *values.shape[1:]])
        for name, values in tensors.items()
    ]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_the_tracks_are_those_of_the_pipeline(
    client: Any, tensors: Tensors, labels: np.ndarray, binary_in: bool, binary_out: bool
) -> None:
    outputs = [http.InferRequestedOutput("LABELS", binary_data=binary_out)]
    inputs = inputs_of(tensors, binary_in)
    result = client.infer("hitgraph", inputs, outputs=outputs, request_id="a")
    assert result.get_response()["id"] == "a"
    assert labels.max() > 0
    np.testing.assert_array_equal(result.as_numpy("LABELS"), labels)


def test_an_event_without_hits_has_no_tracks(client: Any, tensors: Tensors) -> None:
    nothing = {name: values[:0] for name, values in tensors.items()}
    assert client.infer("hitgraph", inputs_of(nothing)).as_numpy("LABELS").shape == (0,)


def test_the_client_of_the_example_gets_tracks(
    service: Address, tiny_store: Path, tiny_pipeline: Path
) -> None:
    event = read_event(tiny_store / "event000001000")
    script = Path(__file__).parents[2] / "examples" / "service" / "client.py"
    words = (sys.executable, str(script), str(tiny_store / event.name), service.host)
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    n_tracks = Pipeline.load(tiny_pipeline).run(event).n_tracks
    assert told == f"{event.name}: {n_tracks} tracks of {event.n_hits} hits\n"


Bad = Callable[[Any, dict[str, np.ndarray]], None]


def no_features(client: Any, tensors: dict[str, np.ndarray]) -> None:
    tensors["HITS"] = tensors.pop("FEATURES")
    client.infer("hitgraph", inputs_of(tensors))


def no_number(client: Any, tensors: dict[str, np.ndarray]) -> None:
    tensors["FEATURES"][0, 0] = np.nan
    client.infer("hitgraph", inputs_of(tensors))


def one_column(client: Any, tensors: dict[str, np.ndarray]) -> None:
    tensors["FEATURES"] = tensors["FEATURES"][:, :1].copy()
    client.infer("hitgraph", inputs_of(tensors))


def whole_positions(client: Any, tensors: dict[str, np.ndarray]) -> None:
    tensors["FEATURES"] = tensors["FEATURES"].astype(np.int32)
    client.infer("hitgraph", inputs_of(tensors))


def elsewhere(client: Any, tensors: dict[str, np.ndarray]) -> None:
    tensors["FEATURES"] /= 10  # in cm
    client.infer("hitgraph", inputs_of(tensors))


def too_large(client: Any, tensors: dict[str, np.ndarray]) -> None:
    tensors["CHARGES"] = np.zeros(LIMIT, np.float32)
    client.infer("hitgraph", inputs_of(tensors))


def other_output(client: Any, tensors: dict[str, np.ndarray]) -> None:
    client.infer("hitgraph", inputs_of(tensors), outputs=[http.InferRequestedOutput("TRACKS")])


def other_model(client: Any, tensors: dict[str, np.ndarray]) -> None:
    client.infer("gnn", inputs_of(tensors))


BAD = {
    no_features: ("400", "inputs: are "),
    no_number: ("400", "FEATURES: row 0: x is nan"),
    one_column: ("400", "FEATURES: shape is [24, 1] where [-1, 3] is expected"),
    whole_positions: ("400", "FEATURES: datatype is 'INT32' where FP32 is expected"),
    elsewhere: ("400", "the positions are in cm, write them in mm"),
    too_large: ("413", f"larger than the {LIMIT} bytes"),
    other_output: ("400", "outputs: 'TRACKS' is none; there is LABELS"),
    other_model: ("404", "no model 'gnn' here, but hitgraph"),
}
RAW = {
    "nothing": (b"", {}),
    "no JSON": (b"hits", {}),
    "deep JSON": (b'{"inputs":' + b"[" * 500_000, {}),
    "negative shapes": (b'{"inputs": [{"name": "FEATURES", "shape": [-5, 3]}]}', {}),
    "a length beyond the body": (b"{}", {"Inference_Header_Content_Length": "99"}),
    "bytes that nobody names": (b"{}" + b"\x00" * 99, {"Inference_Header_Content_Length": "2"}),
}


def test_bad_requests_are_told_and_harm_nobody(
    service: Address, tensors: Tensors, labels: np.ndarray
) -> None:
    """While another client gets its tracks."""

    def other_client() -> list[np.ndarray]:
        with http.InferenceServerClient(service.host) as client:
            answers = [client.infer("hitgraph", inputs_of(tensors)) for _ in range(10)]
            return [answer.as_numpy("LABELS") for answer in answers]

    with ThreadPoolExecutor() as pool:
        tracks = pool.submit(other_client)
        for bad, (status, says) in BAD.items():
            with http.InferenceServerClient(service.host) as client:
                copies = {name: values.copy() for name, values in tensors.items()}
                with pytest.raises(http.InferenceServerException) as error:
                    bad(client, copies)
            assert error.value.status() == status, bad
            assert says in error.value.message(), bad
        for name, (body, headers) in RAW.items():
            reply = service.ask("/v2/models/hitgraph/infer", body, **headers)
            assert (reply.status, reply.content.keys()) == (400, {"error"}), name
        for found in tracks.result():
            np.testing.assert_array_equal(found, labels)
    assert service.metric("hitgraph_worker_restarts") == 0


def test_a_request_that_is_cut_short_is_told(service: Address, tensors: Tensors) -> None:
    body, length = http.InferenceServerClient.generate_request_body(inputs_of(tensors))
    told = {"Inference_Header_Content_Length": str(length)}
    assert service.ask("/v2/models/hitgraph/infer", body, **told).status == 200
    reply = service.ask("/v2/models/hitgraph/infer", body[:-1], **told)
    assert reply.status == 400
    assert "the request is cut short" in reply.content["error"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere", "--port", "0"], "nowhere: no such pipeline"),
        (["{tiny}", "--port", "0", "--device", "cuda:77"], "device: cuda:77 is not there"),
        (["{tiny}", "--host", "198.51.100.7"], "cannot be listened at"),
    ],
)
def test_what_cannot_start_is_told(
    words: list[str], says: str, tiny_pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *(word.format(tiny=tiny_pipeline) for word in words)]) == CANNOT_START
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["serve", "compact"]) == CANNOT_START
    assert "pip install 'hitgraph[serve]'" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--port", "65536"], ["--queue", "0"], ["--timeout", "-1"]])
def test_wrong_numbers_start_nothing(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["serve", "compact", *option])
    assert stop.value.code == CANNOT_START
    assert option[0] in capsys.readouterr().err
