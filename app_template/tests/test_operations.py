"""What is told to those who run the app."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from main import create_app
from serving.operations import STATIC, hash_of_files


def test_a_loaded_model_is_alive_and_ready(client):
    backend = client.get("/health").json()["backend"]

    assert "alive" == client.get("/health").json()["status"]
    assert (200, {"status": "ready", "backend": backend}) == answer(client.get("/ready"))


def test_health_says_whether_anything_outlives_a_restart(client):
    storage = client.get("/health").json()["storage"]

    assert storage == {"persistent": client.app.state.storage.persistent, "message": client.app.state.storage.message}


def test_a_model_that_cannot_be_loaded_is_told_with_the_reason(tmp_path):
    app = create_app({"MODEL_ID": str(tmp_path / "nothing")})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(60)
        ready = client.get("/ready")

        assert 200 == client.get("/health").status_code
        assert client.get("/version").json()["model"] is None
    assert (503, "failed", "2") == (ready.status_code, ready.json()["status"], ready.headers["Retry-After"])
    assert ready.json()["reason"]


def test_the_version_names_the_files_and_the_model(client):
    version = client.get("/version").json()

    assert re.fullmatch("[0-9a-f]{64}", version["files"])
    assert client.get("/health").json()["backend"] == version["model"]["name"]
    assert [] == version["prepared"]


@pytest.mark.parametrize("change", ["content", "name", "package", "page"])
def test_other_files_have_another_hash(tmp_path, change):
    (tmp_path / "static").mkdir()
    (tmp_path / "serving").mkdir()
    for name in ("main.py", "README.md", "serving/web.py", "static/app.js"):
        (tmp_path / name).write_text("x = 1")
    before = hash_of_files(tmp_path)
    (tmp_path / "README.md").write_text("Other words, the same app.")
    same = hash_of_files(tmp_path)
    if change == "name":
        (tmp_path / "main.py").rename(tmp_path / "other.py")
    else:
        (tmp_path / {"content": "main.py", "package": "serving/web.py", "page": "static/app.js"}[change]).write_text(
            "x = 2"
        )

    assert before == same != hash_of_files(tmp_path)


def test_metrics_are_for_prometheus(client):
    client.get("/ready")
    response = client.get("/metrics")

    assert response.headers["Content-Type"].startswith("text/plain")
    assert 'http_requests_total{method="GET",route="/ready",status="200"}' in response.text
    assert "\nmodel_ready 1.0\n" in response.text
    assert "\nprocess_resident_memory_bytes " in response.text


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_answer_get_and_head(client, path):
    for response in (client.get(path), client.head(path)):
        assert 200 == response.status_code
        assert "text/html; charset=utf-8" == response.headers["Content-Type"]


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.*")), ids=lambda file: file.name)
def test_pages_fetch_nothing_from_elsewhere(file: Path):
    fetched = re.findall(r"""(?:src|href)=["']([^"']*)|url\(([^)]*)|@import\s+(.*)""", file.read_text("utf-8"))

    assert [] == [address for found in fetched for address in found if re.match(r"\w+://|//", address)]


def test_what_the_pages_name_is_there(client):
    for page in STATIC.glob("*.html"):
        for address in re.findall(r"""(?:src|href)="(?!data:|#|\w+:)([^"]+)""", page.read_text("utf-8")):
            assert 200 == client.get(f"/{address}").status_code, address


def answer(response):
    return response.status_code, response.json()
