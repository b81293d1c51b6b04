"""Every task and every extra on the local Hub: built from the rendered folder, up, and doing what it is for."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi

from spaceops import Hub, LocalHub, Space, check, deploy
from spaceops.template import new
from tests.template.test_shutdown import REQUESTS

pytestmark = [pytest.mark.apps, pytest.mark.timeout(300)]

VARIANTS = [
    ("sentiment", ()),
    ("sentiment", ("gpu",)),
    ("sentiment", ("nginx",)),
    ("sentiment", ("bucket",)),
    ("sentiment", ("dataset",)),
    ("summarize", ("bucket",)),
    ("summarize", ("gpu", "dataset")),
    ("image", ("nginx",)),
    ("image", ("gpu", "bucket")),
    ("chat", ("gpu",)),
    ("chat", ("gpu", "nginx", "bucket")),
    ("csv", ()),
    ("csv", ("nginx", "bucket")),
    ("ensemble", ("gpu", "nginx")),
    ("ensemble", ("dataset",)),
]


def named(variant: tuple[str, tuple[str, ...]]) -> str:
    task, extras = variant
    return "+".join((task, *extras))


@pytest.mark.parametrize("variant", VARIANTS, ids=named)
def test_it_comes_up_and_does_what_it_is_for(
    variant: tuple[str, tuple[str, ...]], localhub: LocalHub, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    task, extras = variant
    repo_id = f"demo/{'-'.join((task, *extras))}"
    monkeypatch.setenv("HF_TOKEN", localhub.token)  # what space.toml's secrets refer to
    if "bucket" in extras:
        HfApi(endpoint=localhub.url, token=localhub.token).create_bucket(f"{repo_id}-data", private=True)
    space = Space.load(new(tmp_path / "app", task=task, extras=extras, repo_id=repo_id))

    assert [] == list(check(space))
    release = deploy(space, hub)  # it has succeeded when /ready answers 200

    request = REQUESTS[task]
    with httpx2.Client(base_url=str(hub.runtime(repo_id).host), timeout=30, trust_env=False) as app:
        answer = app.request(
            request.method, request.path, content=request.body, headers={"Content-Type": request.content_type}
        )
        health = app.get("/health").json()
        operation = app.get("/ops/status")

    assert "running" == release.outcome
    assert request.status == answer.status_code, answer.text
    assert health["storage"]["persistent"] == bool({"bucket", "dataset"} & set(extras)), health
    assert (200 if "nginx" in extras else 404) == operation.status_code
