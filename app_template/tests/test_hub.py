"""What is done about a Hub that does not answer, or answers that something is wrong."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import httpx2
import pytest

from inference.hub import SILENCE, ModelError, Unreachable, impatient, in_a_sentence, limit_silence

pytest.importorskip("huggingface_hub", reason="not for the app without a model from the Hub")
from huggingface_hub import get_session
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes what is sent, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def answered(status: int) -> HfHubHTTPError:
    """What the Hub's client raises of such an answer."""
    request = httpx2.Request("GET", "https://huggingface.co/api/models/acme/tone")
    return HfHubHTTPError("", response=httpx2.Response(status, request=request))


def test_a_silent_hub_is_given_up_even_by_requests_that_would_wait_for_ever(silent):
    with impatient(silence=0.05) as client, pytest.raises(httpx2.ReadTimeout):
        client.get(silent, timeout=None)  # as huggingface_hub asks for a model's files


def test_requests_keep_limits_of_their_own(silent):
    with impatient() as client, pytest.raises(httpx2.ReadTimeout):
        client.get(silent, timeout=0.05)


def test_what_asks_the_hub_is_given_that_limit_and_keeps_what_else_the_library_does():
    limit_silence()
    *usual, limit = get_session().event_hooks["request"]
    request = httpx2.Request("GET", "http://127.0.0.1:9", extensions={"timeout": httpx2.Timeout(None).as_dict()})
    limit(request)

    assert ["hf_request_event_hook"] == [hook.__name__ for hook in usual]
    assert {SILENCE} == set(request.extensions["timeout"].values())


@pytest.mark.parametrize(
    ("error", "said", "passes"),
    [
        (httpx2.ReadTimeout("timed out"), "acme/tone cannot be fetched from the Hub: timed out", True),
        (LocalEntryNotFoundError("Got: it\nand advice"), "acme/tone cannot be fetched from the Hub: Got: it", True),
        (ConnectionError("refused"), "acme/tone cannot be fetched from the Hub: refused", True),
        (answered(503), "The Hub answers 503 when asked for acme/tone", True),
        (answered(429), "The Hub answers 429 when asked for acme/tone", True),
        (answered(403), "The Hub answers 403 when asked for acme/tone", False),
        (answered(401), "The Hub does not know the token in HF_TOKEN: it may have expired", False),
        (OSError(errno.ENOSPC, "disk full"), "acme/tone cannot be kept here: [Errno 28] disk full", False),
    ],
)
def test_what_may_pass_is_told_from_what_will_not(error, said, passes):
    with pytest.raises(ModelError) as raised, in_a_sentence("acme/tone", None):
        raise error

    assert (said, passes) == (str(raised.value), isinstance(raised.value, Unreachable))
