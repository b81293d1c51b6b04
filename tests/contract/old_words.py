"""`python -m tests.contract.old_words ENDPOINT`: what only 1.x of the client says, or says so, on a local Hub."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from huggingface_hub import HfApi, HfFileSystem, snapshot_download

TEXT, BLOCK = b"hello\n", bytes(range(256)) * 8192
CARD = b"---\ntitle: Old\nsdk: docker\n---\n"


def main() -> None:
    """Say it, as the bearer of HF_TOKEN; an error ends it."""
    api = HfApi(endpoint=sys.argv[1], token=os.environ["HF_TOKEN"])
    with tempfile.TemporaryDirectory() as name:
        folders(api, Path(name))
    storage(api)
    duplicates(api)


def folders(api: HfApi, folder: Path) -> None:
    """Folders go up in one commit, large ones by workers, and come down by Xet; whether it is there is asked first."""
    (folder / "up" / "deep").mkdir(parents=True)
    (folder / "up" / "deep" / "large.bin").write_bytes(BLOCK)
    (folder / "up" / "small.txt").write_bytes(TEXT)
    repo_id = api.create_repo("demo/old", private=True).repo_id
    assert api.model_info(repo_id, expand=["xetEnabled"]).id == repo_id
    api.upload_folder(repo_id=repo_id, folder_path=folder / "up", path_in_repo="folder")
    api.upload_large_folder(repo_id=repo_id, folder_path=folder / "up", repo_type="model", print_report=False)
    down = Path(snapshot_download(repo_id, endpoint=api.endpoint, token=api.token, local_dir=folder / "down"))
    for place in (down, down / "folder"):
        assert (place / "deep" / "large.bin").read_bytes() == BLOCK
        assert (place / "small.txt").read_bytes() == TEXT
    files = HfFileSystem(endpoint=api.endpoint, token=api.token)
    assert files.cat_file(f"{repo_id}/folder/small.txt") == TEXT
    assert files.info(f"{repo_id}/folder/deep/large.bin")["size"] == len(BLOCK)


def storage(api: HfApi) -> None:
    """Storage plans, which 2.x does not know any more, are kept and shown."""
    repo_id = api.create_repo(
        "demo/stored", repo_type="space", space_sdk="docker", space_storage="small", space_sleep_time=3600
    ).repo_id
    assert api.get_space_runtime(repo_id).storage == "small"
    assert api.request_space_storage(repo_id, "medium").storage == "medium"
    assert api.delete_space_storage(repo_id).storage is None


def duplicates(api: HfApi) -> None:
    """A Space is duplicated under a word of its own, with another plan if wanted."""
    api.upload_file(path_or_fileobj=CARD, path_in_repo="README.md", repo_id="demo/stored", repo_type="space")
    copy = api.duplicate_space("demo/stored", "demo/copied", private=True, storage="large")
    assert copy.repo_id == "demo/copied"
    assert api.space_info("demo/copied").private
    assert api.get_space_runtime("demo/copied").storage == "large"
    assert api.duplicate_space("demo/stored", "demo/copied", exist_ok=True).repo_id == "demo/copied"


if __name__ == "__main__":
    main()
