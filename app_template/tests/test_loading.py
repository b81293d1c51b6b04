"""Loading in the background: what is told before, after, and when it failed."""

from __future__ import annotations

import gc
import threading

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.loading import Loaded, Loader
from serving.metrics import REGISTRY


class Panic(BaseException):
    """As a library in Rust raises it."""


class Slow:
    """A model that is loaded when it is told so, or fails."""

    name, device = "slow", "cpu"

    def __init__(self, *errors: BaseException) -> None:
        self.go, self.errors = threading.Event(), list(errors)

    def load(self) -> None:
        assert self.go.wait(30)
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture
def client():
    app = FastAPI()

    @app.get("/name")
    async def name(model: Loaded) -> str:
        return model.name

    return TestClient(app)


def test_who_comes_too_early_is_told_to_come_again_and_then_served(client):
    model = Slow()
    client.app.state.loader = loader = Loader(model)
    loader.start()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "load-model"]
    early = client.get("/name")
    ready_before = REGISTRY.get_sample_value("model_ready")
    model.go.set()

    assert thread.daemon  # else a stop would wait for the download
    assert loader.finished.wait(30)
    assert (503, "2") == (early.status_code, early.headers["Retry-After"])
    assert "still loading" in early.json()["detail"]
    assert "slow" == client.get("/name").json()
    assert (0, 1) == (ready_before, REGISTRY.get_sample_value("model_ready"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("No such model\nand a page of explanation"), "No such model"),
        (KeyError("labels"), "KeyError: 'labels'"),
        (MemoryError(), "MemoryError"),
        (Panic("a library in Rust"), "a library in Rust"),
    ],
)
def test_a_failure_is_told_in_one_line(client, error, reason):
    model = Slow(error)
    client.app.state.loader = loader = Loader(model)
    loader.start()
    model.go.set()

    assert loader.finished.wait(30)
    assert ("failed", reason) == (loader.status, loader.reason)
    failed = client.get("/name")
    assert (503, f"The model could not be loaded. {reason}") == (failed.status_code, failed.json()["detail"])
    assert 0 == REGISTRY.get_sample_value("model_ready")


def test_what_failed_for_a_connection_is_tried_again():
    model = Slow(ConnectionResetError("The Hub is away"), ConnectionRefusedError("Still"))
    loader = Loader(model, pause=0.001)
    loader.start()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "load-model"]
    model.go.set()
    thread.join(30)

    assert [] == model.errors
    assert ("ready", None) == (loader.status, loader.reason)


def test_the_collector_need_not_look_through_what_is_loaded():
    gc.unfreeze()
    model = Slow()
    model.go.set()
    loader = Loader(model)
    loader.start()

    assert loader.finished.wait(30)
    assert gc.get_freeze_count() > 10_000
