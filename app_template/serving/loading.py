"""Loads the model in the background: the port is open at once, and a failure is told instead of a dead port."""

from __future__ import annotations

import gc
import logging
import threading
import time
from typing import Annotated, Literal, Protocol

from fastapi import Depends, HTTPException, Request

from serving.metrics import MODEL_READY

log = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "2"}  # seconds
PAUSE = 60.0  # seconds until the next try to load, if a connection was what failed


class Model(Protocol):
    """What every model has, beside the method that answers. It costs nothing until `load` is called."""

    name: str
    device: str  # "cpu" or "cuda"

    def load(self) -> None:
        """Download, read, warm up. May take minutes; raises whatever goes wrong: a ConnectionError if that may pass."""


class Loader:
    """Loads one model in a thread of its own; and again, if a connection was what failed."""

    def __init__(self, model: Model, pause: float = PAUSE) -> None:
        self.model, self._pause = model, pause
        self.status: Literal["loading", "ready", "failed"] = "loading"
        self.reason: str | None = None
        self.finished = threading.Event()  # set after the first try

    def start(self) -> None:
        """Begin to load. The thread is a daemon, so that a long download does not hold up a stop."""
        MODEL_READY.set(0)
        threading.Thread(target=self._load, name="load-model", daemon=True).start()

    def _load(self) -> None:
        while not self._settled():
            time.sleep(self._pause)

    def _settled(self) -> bool:
        """Try to load; whether there is no more to try."""
        passing = False
        try:
            self.model.load()
            gc.freeze()  # what is there by now stays: the collector need not look through it again and again
            self.reason, self.status = None, "ready"
            MODEL_READY.set(1)
            log.info("%s is ready", self.model.name)
        except BaseException as error:  # the border to foreign code: a panic of a library in Rust is no Exception
            passing = isinstance(error, ConnectionError)
            self.reason = sentence_of(error)
            log.exception("%s cannot be loaded: %s", self.model.name, self.reason)
            self.status = "failed"
        self.finished.set()
        return not passing


def sentence_of(error: BaseException) -> str:
    """What went wrong, for people: an error's first line, with its class if that line is but a word or missing."""
    line = str(error).partition("\n")[0]
    return line if " " in line else ": ".join(filter(None, [type(error).__name__, line]))


async def current_loader(request: Request) -> Loader:
    """The loader that this app started."""
    loader: Loader = request.app.state.loader
    return loader


async def loaded_model(request: Request) -> Model:
    """The model, or the answer 503 while there is none."""
    loader: Loader = request.app.state.loader  # a dependency's dependency would cost every request a twentieth more
    if loader.status == "loading":
        raise HTTPException(503, "The model is still loading. Try again in a moment.", RETRY_AFTER)
    if loader.status == "failed":
        raise HTTPException(503, f"The model could not be loaded. {loader.reason}", RETRY_AFTER)
    return loader.model


CurrentLoader = Annotated[Loader, Depends(current_loader)]
Loaded = Annotated[Model, Depends(loaded_model)]
