"""One run of the contract against one Hub: its names, its clients, its outcomes, and the cleaning up."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import HfApi
from huggingface_hub.utils import get_session

from tests.contract.recording import Outcome, Recorder, decoded, shape

PROGRAM_SECONDS = 120
STREAM_SECONDS = 20.0
OURS = "the token that the calls are made with"  # where None means none at all


class ProgramFailed(Exception):
    """A program ended with an exit code."""


class Session:
    """What the calls of the contract work with. `folder` is theirs, and nothing outside it is written."""

    def __init__(self, endpoint: str, token: str, folder: Path) -> None:
        self.endpoint, self.token, self.folder = endpoint.rstrip("/"), token, folder
        self.api = HfApi(endpoint=self.endpoint, token=token)
        self.me = str(self.api.whoami()["name"])
        self.run = f"contract-{secrets.token_hex(4)}"
        kinds = ("model", "dataset", "static", "space", "bucket")
        self.model, self.dataset, self.static, self.space, self.bucket = (f"{self.me}/{self.run}-{k}" for k in kinds)
        host = urlsplit(self.endpoint).netloc
        names = {self.endpoint: "{hub}", host: "{host}", self.run: "{run}", self.me: "{me}", str(folder): "{folder}"}
        self.recorder = Recorder(names | {f"{self.me}/{self.run}-{kind}": f"{{{kind}}}" for kind in kinds})

    def outcome_of(self, make: Any) -> Outcome:
        """Make a call, and return what came of it, whatever that was."""
        self.recorder.outcome = outcome = Outcome()
        self.recorder.hear(get_session())
        try:
            make(self)
        except ProgramFailed as error:
            outcome.ended = str(error)
        except Exception as error:  # how a client fails is what is recorded here
            outcome.ended = type(error).__name__
        return outcome

    def check(self, holds: bool) -> None:
        """What the client brought must be right."""
        if not holds:
            raise AssertionError

    def address(self, rest: str) -> str:
        """An address below the model's."""
        return f"{self.endpoint}/{self.model}/{rest}"

    def raw(self, method: str, path: str, *, token: str | None = OURS, **more: Any) -> None:
        """One request as it is; a refusal is an answer too."""
        headers = {**self._authorization(token), **more.pop("headers", {})}
        get_session().request(method, self.endpoint + path, headers=headers, **more)

    def first_event(self, path: str) -> None:
        """Open a stream of events, and look at the first one with data."""
        url, headers = self.endpoint + path, self._authorization(OURS)
        with get_session().stream("GET", url, headers=headers, timeout=STREAM_SECONDS) as response:
            kind = "message"
            for line in response.iter_lines() if response.is_success else ():
                if line.startswith("event:"):
                    kind = line[6:].strip()
                if line.startswith("data: {"):
                    self.recorder.outcome.shape = {f"event {kind}": shape(decoded(line[6:]))}
                    break

    @staticmethod
    def ndjson(*lines: str) -> dict[str, Any]:
        """The body and the headers of a commit."""
        return {"content": "\n".join(lines).encode(), "headers": {"Content-Type": "application/x-ndjson"}}

    def _authorization(self, token: str | None) -> dict[str, str]:
        return {} if token is None else {"Authorization": f"Bearer {self.token if token == OURS else token}"}

    def hf(self, *words: str) -> None:
        """A command of `hf`, which is beside the Python that runs this."""
        self._program([str(Path(sys.executable).with_name("hf")), *words, "--json"], {"HF_TOKEN": self.token})

    def git_url(self, path: str) -> str:
        """What git calls a repository."""
        return f"{self.endpoint}/{path}"

    def git(self, *words: str, token: str | None = OURS, folder: str = ".") -> None:
        """A git command with a token in a header, as Bearer; nothing of it is written anywhere."""
        config = {"user.name": "contract", "user.email": "contract@localhost", "init.defaultBranch": "main"}
        if token is not None:
            config[f"http.{self.endpoint}/.extraHeader"] = (
                f"Authorization: {self._authorization(token)['Authorization']}"
            )
        numbered = list(enumerate(config.items()))
        env = {f"GIT_CONFIG_KEY_{at}": key for at, (key, _) in numbered}
        env |= {f"GIT_CONFIG_VALUE_{at}": value for at, (_, value) in numbered}
        self._program(["git", *words], {"GIT_CONFIG_COUNT": str(len(config)), **env}, folder)

    def git_commit_and_push(self, folder: str) -> None:
        """Commit all that changed, and push it."""
        self.git("add", "--all", folder=folder)
        self.git("commit", "--quiet", "--message=change", folder=folder)
        self.git("push", "--quiet", "origin", "HEAD:main", folder=folder)

    def _program(self, command: list[str], more: dict[str, str], folder: str = ".") -> None:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "HF_HOME": str(self.folder / "huggingface"),
            "HF_ENDPOINT": self.endpoint,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "NO_PROXY": os.environ.get("NO_PROXY", "127.0.0.1,localhost"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "NO_COLOR": "1",
            **more,
        }
        where = self.folder / folder
        done = subprocess.run(
            command, cwd=where, env=env, capture_output=True, text=True, check=False, timeout=PROGRAM_SECONDS
        )
        printed = decoded(done.stdout)
        self.recorder.outcome.shape = None if printed is None else shape(printed)
        if done.returncode:
            self.recorder.outcome.said = self.recorder.plain(_reason(done.stderr))
            raise ProgramFailed(f"exit {done.returncode}")

    def clean_up(self) -> Iterator[str]:
        """Delete everything that was made; what could not be, with the reason."""
        datasets = [(f"{self.dataset}{end}", "dataset") for end in ("-moved", "")]
        spaces = [(repo_id, "space") for repo_id in (self.static, self.space, f"{self.space}-copy")]
        for repo_id, kind in [(self.model, "model"), *datasets, *spaces]:
            outcome = self.outcome_of(lambda we, a=repo_id, b=kind: we.api.delete_repo(a, repo_type=b, missing_ok=True))
            if outcome.ended != "ok":
                yield f"{kind} {repo_id}: {outcome.ended}"
        outcome = self.outcome_of(lambda we: we.api.delete_bucket(we.bucket, missing_ok=True))
        if outcome.ended != "ok":
            yield f"bucket {self.bucket}: {outcome.ended}"


def _reason(stderr: str) -> str:
    """The lines with which a program says why it failed."""
    lines = [line.strip() for line in stderr.splitlines()]
    remote = [line.removeprefix("remote:").strip(" -") for line in lines if line.startswith("remote:")]
    others = [line for line in lines if re.match(r"fatal:|Error", line)]
    return " / ".join([*filter(None, remote), *others])[:400]
