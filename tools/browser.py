"""Chromium without a window, driven through its DevTools protocol over two pipes."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--enable-unsafe-swiftshader",  # WebGL without a GPU
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE = 60.0  # seconds, on a busy machine


class Browser:
    """One page. `problems` are its errors and warnings."""

    def __init__(self, writes: int, reads: int) -> None:
        self.writes, self.reads = writes, reads
        self.left, self.number, self.problems = b"", 0, []
        self.session: str | None = None

    def open(self, path: Path, ready: str = "document.body?.dataset.drawn") -> None:
        """Load a file and wait until the display has drawn."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        size = {"width": 1400, "height": 850, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Page.navigate", url=path.as_uri())
        self.wait(ready)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:
        """Until an expression is true."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if value := self.evaluate(script):
                return value
            time.sleep(0.05)
        raise AssertionError(f"{script} never came true; {self.problems}")

    def drawn(self) -> dict[str, int]:
        """How much of everything is drawn, by name."""
        return json.loads(self.evaluate("document.body.dataset.drawn"))

    def set(self, name: str, value: float | str | bool) -> None:
        """Change a control as a user does."""
        kind = "checked" if isinstance(value, bool) else "value"
        self.evaluate(
            f"(() => {{ const it = document.getElementById({name!r}); it.{kind} = "
            f"{json.dumps(value)}; for (const what of ['input', 'change']) "
            "it.dispatchEvent(new Event(what, {bubbles: true})); })()"
        )

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """mousePressed, mouseMoved, mouseReleased or mouseWheel at a place of the page."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def screenshot(self) -> bytes:
        """PNG, after the frame that is being drawn."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def send(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol, and its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writes, json.dumps(message).encode() + b"\0")
        while True:
            told = self._receive()
            if told.get("id") == self.number:
                assert "error" not in told, (method, told["error"])
                return told["result"]
            self._note(told)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self.left:
            self.left += os.read(self.reads, 1 << 20)
        message, _, self.left = self.left.partition(b"\0")
        return json.loads(message)

    def _note(self, told: dict[str, Any]) -> None:
        method, what = told.get("method"), told.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(what["exceptionDetails"])
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning"):
            self.problems.append(what["args"])
        elif method == "Log.entryAdded":
            entry = what["entry"]
            driver = entry["text"].startswith("[.WebGL")  # says that screenshots are slow
            if entry["level"] in ("error", "warning") and not driver:
                self.problems.append(entry)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a new profile, ended when done."""
    assert CHROMIUM is not None
    read_command, write_command = os.pipe()
    read_answer, write_answer = os.pipe()

    def place() -> None:  # Chromium reads from 3 and writes to 4
        command, answer = os.dup(read_command), os.dup(write_answer)
        os.dup2(command, 3)
        os.dup2(answer, 4)

    process = subprocess.Popen(
        [CHROMIUM, *ARGUMENTS, f"--user-data-dir={profile}"],
        preexec_fn=place,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_command)
    os.close(write_answer)
    try:
        yield Browser(write_command, read_answer)
    finally:
        process.terminate()
        process.wait()
        os.close(write_command)
        os.close(read_answer)
