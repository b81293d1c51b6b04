"""Who asks, as nginx in front of the app has seen it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCKERFILE = (Path(__file__).parents[1] / "Dockerfile").read_text("utf-8")


@pytest.mark.parametrize(("forwarded", "status"), [("192.0.2.9", 200), ("192.0.2.1", 429)])
def test_clients_behind_nginx_are_told_apart_by_what_it_says(server, forwarded, status):
    """It names one address, and nobody else can reach the app's socket. The flags are the Dockerfile's."""
    flags = re.search(r'"main:app".*"--forwarded-allow-ips", "([^"]*)"', DOCKERFILE)
    assert flags
    with server("--forwarded-allow-ips", flags[1], RATE_LIMIT="1") as (client, _):
        first = client.get("/version", headers={"X-Forwarded-For": "192.0.2.1"})
        second = client.get("/version", headers={"X-Forwarded-For": forwarded})

    assert (200, status) == (first.status_code, second.status_code)
