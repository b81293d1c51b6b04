"""What the tests share: the app's own folder on the import path, and the app with its model loaded."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from fastapi.testclient import TestClient

from main import app


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("MODEL_ID", "MODEL_REVISION", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def client():
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(30)
        yield client
