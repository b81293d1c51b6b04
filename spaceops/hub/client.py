"""What we use of `huggingface_hub.utils`; imported at the first request, as the client takes its time to load.

That module runs Python code for every name taken from it, and `from … import` forgets what is raised there: a Ctrl-C
that came in just then was lost. From here the names come without any.
"""

from huggingface_hub.utils import (
    are_progress_bars_disabled,
    close_session,
    disable_progress_bars,
    enable_progress_bars,
    get_session,
    hf_raise_for_status,
    http_backoff,
    httpx,
    parse_ratelimit_headers,
)

__all__ = [
    "are_progress_bars_disabled",
    "close_session",
    "disable_progress_bars",
    "enable_progress_bars",
    "get_session",
    "hf_raise_for_status",
    "http_backoff",
    "httpx",
    "parse_ratelimit_headers",
]
