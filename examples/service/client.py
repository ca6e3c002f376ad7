"""Tracks of an event from a service: python client.py EVENT [HOST:PORT]   (tritonclient[http])

The service is `hitgraph serve P`, or a Triton server with the repository of `hitgraph export`.
"""

import sys

import tritonclient.http

from hitgraph import read_event
from hitgraph.serve.tensors import inputs_of, tensors_of

event = read_event(sys.argv[1])
with tritonclient.http.InferenceServerClient((sys.argv[2:] or ["localhost:8000"])[0]) as client:
    wanted = {tensor["name"] for tensor in client.get_model_metadata("hitgraph")["inputs"]}
    clusters = "CELLS" in wanted
    tensors = tensors_of(event, clusters)
    inputs = []
    for spec in inputs_of(clusters):
        values = tensors[spec.name]
        inputs.append(tritonclient.http.InferInput(spec.name, values.shape, spec.datatype))
        inputs[-1].set_data_from_numpy(values)
    labels = client.infer("hitgraph", inputs).as_numpy("LABELS")
sys.stdout.write(f"{event.name}: {labels.max(initial=-1) + 1} tracks of {len(labels)} hits\n")
