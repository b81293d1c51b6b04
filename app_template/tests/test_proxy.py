"""Who asks, as a proxy in front of the app has seen it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCKERFILE = (Path(__file__).parents[1] / "Dockerfile").read_text("utf-8")


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("192.0.2.9, 10.1.2.3", 200),  # somebody else, through the Hub's proxy
        ("192.0.2.9, 192.0.2.1, 10.1.2.3", 429),  # the same, who pretends to be a proxy for somebody else
    ],
)
def test_clients_behind_the_proxy_are_told_apart_by_what_the_proxy_saw(server, forwarded, status):
    """The flags are the Dockerfile's."""
    flags = re.search(r'"--forwarded-allow-ips", "([^"]*)"', DOCKERFILE)
    assert flags
    with server("--forwarded-allow-ips", flags[1], RATE_LIMIT="1") as (client, _):
        first = client.get("/version", headers={"X-Forwarded-For": "192.0.2.1, 10.1.2.3"})
        second = client.get("/version", headers={"X-Forwarded-For": forwarded})

    assert (200, status) == (first.status_code, second.status_code)
