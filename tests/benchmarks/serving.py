"""How fast the template's app answers, beside the app that most tutorials show: transformers' pipeline behind a route.

Both serve one model, made here, to the same clients with the same texts, in environments of their own. With
`--gpu PYTHON` both run in that environment, which has PyTorch for CUDA and what the two apps import.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from urllib.parse import quote

import psutil

from spaceops import new

CLIENTS = (1, 8, 64)
SECONDS, ROUNDS = 6.0, 2  # of each measurement; the better round counts, for both
FLAGS = ("--http", "serving.heads:LimitedProtocol")  # these two as in the template's Dockerfile
SETTINGS = {"MALLOC_TRIM_THRESHOLD_": "1000000"}
TORCH = ["torch==2.13.0", "transformers==5.23.0"]
TUTORIAL = """
import os
from fastapi import FastAPI
from transformers import pipeline

app = FastAPI()
classifier = pipeline("sentiment-analysis", model=os.environ["MODEL_ID"])

@app.post("/analyze")
def analyze(text: str):
    result = classifier(text)
    return {"label": result[0]["label"], "score": result[0]["score"]}
"""


@dataclass
class App:
    """What is measured, and what was."""

    name: str
    python: Path
    folder: Path
    variables: dict[str, str]
    query: bool = False  # whether it takes the text from the address
    flags: tuple[str, ...] = ()  # of uvicorn
    rates: dict[int, float] = field(default_factory=dict)  # requests per second by number of clients
    tails: dict[int, tuple[float, float]] = field(default_factory=dict)  # p50 and p99 in seconds
    start: float = 0.0  # seconds until the first answer
    work: float = 0.0  # CPU seconds per request at the most clients
    memory: float = 0.0  # MB, after all that
    answers: list[tuple[str, float]] = field(default_factory=list)

    def request(self, text: str) -> bytes:
        """One request for one text, as bytes."""
        path, body = (f"/analyze?text={quote(text)}", b"") if self.query else ("/analyze", b"")
        if not self.query:
            body = json.dumps({"text": text}).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@contextmanager
def running(app: App) -> Iterator[tuple[int, psutil.Process]]:
    """Start the app; yield its port and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [app.python, "-m", "uvicorn", "main:app", "--port", str(port), "--no-access-log", *app.flags]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_", "MODEL_"))}
    log = (app.folder / "server.log").open("wb")
    with (
        log,
        subprocess.Popen(
            command, cwd=app.folder, env=environ | {"HF_HUB_OFFLINE": "1"} | app.variables, stdout=log, stderr=log
        ) as server,
    ):
        try:
            yield port, psutil.Process(server.pid)
        finally:
            server.terminate()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    """One request over an open connection: status and body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return int(head[9:12]), await reader.readexactly(length)


async def first_answer(port: int, request: bytes) -> None:
    """Come back when the app answers a text."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            status, _ = await ask(reader, writer, request)
            writer.close()
            if status == 200:
                return
        except (OSError, asyncio.IncompleteReadError):
            pass
        await asyncio.sleep(0.02)
    raise TimeoutError("the app does not answer")


async def load(port: int, requests: list[bytes], clients: int, seconds: float) -> tuple[list[float], float]:
    """The seconds of each request that so many clients make, each one after another; and the seconds of all."""
    spent: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number * len(requests) // clients
        while (began := time.perf_counter()) < end:
            status, body = await ask(reader, writer, requests[turn % len(requests)])
            if status != 200:
                raise RuntimeError(body.decode())
            spent.append(time.perf_counter() - began)
            turn += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return spent, time.perf_counter() - began


async def all_answers(port: int, requests: list[bytes]) -> list[tuple[str, float]]:
    """The label and score of each text, eight at a time."""
    answers: list[tuple[str, float]] = [("", 0.0)] * len(requests)

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for place in range(number, len(requests), 8):
            answer = json.loads((await ask(reader, writer, requests[place]))[1])
            answers[place] = answer["label"], answer["score"]
        writer.close()

    await asyncio.gather(*map(client, range(8)))
    return answers


async def measure(app: App, texts: list[str], seconds: float) -> None:
    """One round: start it, load it with more and more clients, look at its memory and its answers."""
    requests = [app.request(text) for text in texts]
    began = time.perf_counter()
    with running(app) as (port, process):
        await first_answer(port, requests[0])
        start = time.perf_counter() - began
        app.start = min(app.start or start, start)
        for clients in CLIENTS:
            await load(port, requests, clients, 1.0)
            before = sum(process.cpu_times()[:2])
            spent, elapsed = await load(port, requests, clients, seconds)
            if len(spent) / elapsed > app.rates.get(clients, 0):
                app.work = (sum(process.cpu_times()[:2]) - before) / len(spent)
                app.rates[clients] = len(spent) / elapsed
                percentiles = quantiles(spent, n=100)
                app.tails[clients] = percentiles[49], percentiles[98]
        app.memory = process.memory_info().rss / 1e6
        app.answers = await all_answers(port, requests)


def parity(app: App, reference: App) -> str:
    """How many labels differ from the reference's, and the largest difference of a score."""
    pairs = list(zip(app.answers, reference.answers, strict=True))
    changed = sum(ours[0] != theirs[0] for ours, theirs in pairs)
    largest = max(abs(ours[1] - theirs[1]) for ours, theirs in pairs if ours[0] == theirs[0])
    return f"{changed} of {len(pairs)}, {largest:.4f}"


def show(apps: list[App]) -> None:
    """The table, and how many times better than the first the others are."""
    most, reference = CLIENTS[-1], apps[0]
    print(f"requests per second with {', '.join(map(str, CLIENTS))} clients; p50, p99 and CPU time with {most}")
    for app in apps:
        rates = "".join(f"{app.rates[clients]:8.1f}" for clients in CLIENTS)
        p50, p99 = app.tails[most]
        print(
            f"{app.name:20}{rates}  {p50:6.3f} s {p99:6.3f} s {app.work * 1000:6.1f} ms"
            f"  start {app.start:5.2f} s {app.memory:5.0f} MB  labels changed: {parity(app, reference)}"
        )
    for app in apps[1:]:
        rates = "".join(f"{app.rates[clients] / reference.rates[clients]:7.1f}x" for clients in CLIENTS)
        p50, p99 = (theirs / ours for ours, theirs in zip(app.tails[most], reference.tails[most], strict=True))
        work, start, memory = (getattr(reference, name) / getattr(app, name) for name in ("work", "start", "memory"))
        print(f"{app.name:20}{rates}  {p50:6.1f}x  {p99:6.1f}x  {work:6.1f}x   start {start:5.1f}x  {memory:5.1f}x")


def environments(work: Path, app: Path) -> tuple[Path, Path]:
    """The Python of the tutorial's environment, and of ours; made once."""
    theirs, ours = work / "theirs/bin/python", work / "ours/bin/python"
    if not theirs.exists():
        subprocess.run([sys.executable, "-m", "venv", work / "theirs"], check=True)
        pip = [theirs, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *TORCH, "fastapi", "uvicorn[standard]"], check=True)
        subprocess.run(
            [
                *pip,
                "--target",
                work / "tools",
                "--no-deps",
                "onnx",
                "onnxruntime",
                "protobuf",
                "ml_dtypes",
                "flatbuffers",
            ],
            check=True,
        )
    if not ours.exists():
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or "uv"
        subprocess.run([uv, "venv", "--quiet", work / "ours"], check=True)
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", ours]
        subprocess.run([*install, "--requirement", app / "requirements.txt"], check=True)
    return theirs, ours


def make_model(work: Path, python: Path) -> Path:
    """The model that all serve, with texts.json; made once."""
    model = work / "model"
    if not model.exists():
        subprocess.run(
            [python, "-W", "ignore", Path(__file__).parent / "models/random_distilbert.py", model], check=True
        )
    return model


def on_cpu(work: Path, tutorial: Path, app: Path) -> list[App]:
    """The tutorial's app, ours with 8 bits, and ours with 32."""
    theirs, ours = environments(work, app)
    model = make_model(work, theirs)
    apps = [App("tutorial", theirs, tutorial, {"MODEL_ID": str(model)}, query=True)]
    for precision in ("int8", "float32"):
        folder = work / precision
        if not folder.exists():
            command = [theirs, "-W", "ignore", "-m", "inference.export", model, folder, precision]
            subprocess.run(command, cwd=app, env=os.environ | {"PYTHONPATH": str(work / "tools")}, check=True)
        apps.append(App(f"template, {precision}", ours, app, {"MODEL_ID": str(folder)} | SETTINGS, flags=FLAGS))
    return apps


def on_gpu(work: Path, tutorial: Path, app: Path, python: Path) -> list[App]:
    """The tutorial's app and ours, both with PyTorch on the GPU."""
    model = str(make_model(work, python))
    return [
        App("tutorial, GPU", python, tutorial, {"MODEL_ID": model}, query=True),
        App("template, GPU", python, app, {"MODEL_ID": model} | SETTINGS, flags=FLAGS),
    ]


def main() -> None:
    """Build what is missing, measure in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "spaceops-serving"), help="kept")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--gpu", type=Path, metavar="PYTHON", help="the environment for both apps")
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        app, tutorial = new(Path(scratch, "app")), Path(scratch, "tutorial")
        tutorial.mkdir()
        (tutorial / "main.py").write_text(TUTORIAL, "utf-8")
        apps = on_gpu(work, tutorial, app, arguments.gpu) if arguments.gpu else on_cpu(work, tutorial, app)
        texts: list[str] = json.loads((work / "model/texts.json").read_text("utf-8"))
        print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before", flush=True)
        for _ in range(arguments.rounds):
            for each in apps:
                asyncio.run(measure(each, texts, arguments.seconds))
        show(apps)


if __name__ == "__main__":
    main()
