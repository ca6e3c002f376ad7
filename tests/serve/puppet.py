"""A worker of the service that does as the body of a request tells it.

echo: answers with the body, as JSON; die: ends with status 3; wait FILE: answers once the file is
there.
"""

import json
import socket
import sys
import time
from pathlib import Path

COMMAND = (sys.executable, "-S", __file__)


def main() -> None:
    line = socket.socket(fileno=0)
    if sys.argv[1:] == ["refuse"]:
        send(line, {"error": "there is no such pipeline"})
        return
    send(line, {"metadata": {"name": "hitgraph", "versions": ["1"]}})
    source = line.makefile("rb")
    while text := source.readline():
        body = source.read(json.loads(text)["size"])
        word, _, path = body.decode().partition(" ")
        if word == "die":
            sys.exit(3)
        while word == "wait" and not Path(path).exists():
            time.sleep(0.01)
        answer = json.dumps(body.decode()).encode()
        head = {"status": 200, "body": len(answer), "hits": 5, "tracks": 2, "seconds": 0.5}
        send(line, head, answer)


def send(line: socket.socket, head: dict[str, object], body: bytes = b"") -> None:
    line.sendall(json.dumps(head).encode() + b"\n" + body)


if __name__ == "__main__":
    main()
