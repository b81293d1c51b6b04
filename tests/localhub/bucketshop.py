"""What tests of buckets do again and again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from huggingface_hub import BucketFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from huggingface_hub import HfApi


def content(api: HfApi, bucket: str, path: str, scratch: Path) -> bytes:
    """What the client downloads, the way of Xet."""
    file = scratch / "downloaded"
    api.download_bucket_files(bucket, [(path, file)], raise_on_missing_files=True)
    return file.read_bytes()


def paths(api: HfApi, bucket: str, prefix: str | None = None) -> list[str]:
    """The paths of all files, as listed."""
    return [file.path for file in api.list_bucket_tree(bucket, prefix)]


def hashes(api: HfApi, bucket: str) -> dict[str, str]:
    """The hashes of all files by their paths, as listed."""
    return {file.path: file.xet_hash for file in api.list_bucket_tree(bucket) if isinstance(file, BucketFile)}


def batch(*changes: Mapping[str, object]) -> bytes:
    """The body of a batch."""
    return b"".join(json.dumps(change).encode() + b"\n" for change in changes)
