"""What the app answers, over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading

import httpx2
import pytest

from answering import Line, Reply, TooLong, Unanswerable
from main import MAX_BODY, MAX_CHARACTERS, create_app
from serving.loading import Loader

JSON = {"Content-Type": "application/json"}
QUESTION = [{"role": "user", "content": "Are my messages stored?"}]


def events_of(text: str) -> list[tuple[str, dict]]:
    """The events of a stream, as a browser would read them."""
    events = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def test_an_answer_is_streamed_word_by_word(client):
    response = client.post("/chat", json={"messages": QUESTION})
    position, *tokens, (name, facts) = events_of(response.text)

    assert "text/event-stream; charset=utf-8" == response.headers["Content-Type"]
    assert ("no", "no-store") == (response.headers["X-Accel-Buffering"], response.headers["Cache-Control"])
    assert ("position", {"position": 1}) == position
    assert {"token"} == {name for name, _ in tokens}
    assert "".join(token["text"] for _, token in tokens).startswith("Your messages are not stored and not logged")
    assert ("done", "knowledge.md", "stop", len(tokens)) == (
        name,
        facts["backend"],
        facts["finish"],
        facts["new_tokens"],
    )


def test_the_same_answer_comes_in_one_piece_where_wanted(client):
    streamed = events_of(client.post("/chat", json={"messages": QUESTION}).text)
    whole = client.post("/chat", json={"messages": QUESTION, "stream": False}).json()

    assert "".join(data["text"] for name, data in streamed if name == "token") == whole["answer"]
    assert {**streamed[-1][1], "seconds": 0, "answer": whole["answer"]} == {**whole, "seconds": 0}


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": "x"}],
        [{"role": "system", "content": "x"}],
        [{"role": "user", "content": "x"}, {"role": "user", "content": "x"}],
        [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}],
        [{"role": "user", "content": " "}],
        [{"role": "user", "content": "secret" * 2000}],
        [{"role": "boss", "content": "secret"}],
        [{"role": "user", "content": "x"}, {"role": "system", "content": "x"}, {"role": "user", "content": "x"}],
    ],
)
def test_what_is_no_conversation_is_refused(client, messages):
    response = client.post("/chat", json={"messages": messages})

    assert 422 == response.status_code
    assert response.json()["detail"].startswith("messages")
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_new_tokens", 0), ("max_new_tokens", 1025), ("temperature", -0.1), ("temperature", 2.1), ("stream", "x")],
)
def test_what_cannot_be_asked_for_is_refused(client, name, value):
    response = client.post("/chat", json={"messages": QUESTION, name: value})

    assert (422, [["body", name]]) == (response.status_code, [error["loc"] for error in response.json()["errors"]])


def test_the_longest_conversation_is_answered(client):
    """Also in the longest form that JSON has for a character, as programs send it that write nothing but ASCII."""
    longest = "\N{SLIGHTLY SMILING FACE}" * MAX_CHARACTERS
    turns = [{"role": ("user", "assistant")[number % 2], "content": longest} for number in range(98)]
    body = json.dumps({"messages": [*turns, *QUESTION], "stream": False})

    assert len(body) < MAX_BODY
    assert "Privacy" == client.post("/chat", content=body, headers=JSON).json()["source"]


def test_the_api_describes_itself(client):
    paths = client.get("/openapi.json").json()["paths"]
    responses = paths["/chat"]["post"]["responses"]

    assert {"/chat", "/feedback", "/health", "/ready", "/version", "/metrics"} == set(paths)
    assert {"200", "400", "401", "403", "413", "422", "429", "503", "504"} == set(responses)
    assert {"application/json", "text/event-stream"} == set(responses["200"]["content"])


# with a model that is held and released by hand


class Held:
    """Writes "a" until it is told to stop; then it is done, or fails."""

    name, device, at_once = "held", "cpu", 1

    def __init__(self, error: Exception | None = None) -> None:
        self.stop, self.given_up, self.error = threading.Event(), threading.Event(), error

    def load(self) -> None:
        pass

    def answer(self, replies) -> None:
        [reply] = replies
        while not self.stop.wait(0.01):
            if reply.over:
                self.given_up.set()
                return
            reply.write("a")
        if self.error:
            raise self.error
        reply.done("stop", prompt_tokens=1)


@pytest.fixture
def held(serve):
    """A served app with such a model, and a client of it."""
    clients = []

    def start(model: Held, **settings: str) -> httpx2.Client:
        app = create_app(settings)
        app.state.loader, app.state.line = Loader(model), Line(model, at_once=1, max_waiting=4)
        clients.append((httpx2.Client(base_url=serve(app), trust_env=False, timeout=30), model))
        return clients[-1][0]

    yield start
    for client, model in clients:
        model.stop.set()
        client.close()


def first_token(lines) -> bool:
    return any("token" in line for line in lines)


@pytest.mark.parametrize("how", ["stream", "whole"])
def test_when_the_client_goes_away_the_model_stops(held, how):
    model = Held()
    client = held(model)
    ready(client)
    if how == "stream":
        with client.stream("POST", "/chat", json={"messages": QUESTION}) as response:
            assert first_token(response.iter_lines())
    else:
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/chat", json={"messages": QUESTION, "stream": False}, timeout=0.3)

    assert model.given_up.wait(10)


def test_an_answer_in_one_piece_that_takes_too_long_is_given_up(held):
    model = Held()
    client = held(model, REQUEST_TIMEOUT="0.3")
    ready(client)

    assert 504 == client.post("/chat", json={"messages": QUESTION, "stream": False}).status_code
    assert model.given_up.wait(10)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("secret"), "Something went wrong here."),
        (TooLong(200, 100), "it has 200 tokens, and the model reads 100"),
        (Unanswerable("It knows no system role."), "It knows no system role."),
    ],
)
def test_what_goes_wrong_on_the_way_is_an_event(held, caplog, error, told):
    model = Held(error)
    client = held(model)
    ready(client)
    with client.stream("POST", "/chat", json={"messages": QUESTION}) as response:
        lines = response.iter_lines()
        assert first_token(lines)
        model.stop.set()
        *_, name, data, _ = lines

    assert "event: error" == name
    assert told in data
    assert "secret" not in data + caplog.text
    assert isinstance(error, Unanswerable) or "failed: ValueError" in caplog.text


def test_a_message_that_is_too_long_for_the_model_is_refused(held):
    model = Held(TooLong(200, 100))
    client = held(model)
    ready(client)
    model.stop.set()
    response = client.post("/chat", json={"messages": QUESTION, "stream": False})

    assert (422, "Your message is too long: it has 200 tokens, and the model reads 100.") == (
        response.status_code,
        response.json()["detail"],
    )


def test_whose_share_of_the_line_is_full_is_told_when_to_come_back(held):
    """Of four places one client may take one."""
    model = Held()
    client = held(model)
    ready(client)
    with client.stream("POST", "/chat", json={"messages": QUESTION}) as answered:
        being_answered = answered.iter_lines()  # kept: a stream that nobody reads any more is closed
        assert first_token(being_answered)
        with client.stream("POST", "/chat", json={"messages": QUESTION}) as waiting:
            in_line = waiting.iter_lines()
            assert "event: position" == next(in_line)
            refused = client.post("/chat", json={"messages": QUESTION})

    assert 503 == refused.status_code
    assert int(refused.headers["Retry-After"]) >= 1
    assert "Too many questions are waiting." in refused.json()["detail"]


def test_what_is_to_be_kept_is_safe_even_if_the_model_goes_on_until_the_app_is_killed():
    model = Held()

    async def end_after(folder) -> None:
        try:
            async with asyncio.timeout(10):
                while folder.exists():  # the storage is temporary: it is closed when this is gone
                    await asyncio.sleep(0.01)
        finally:
            model.stop.set()

    async def scenario() -> None:
        app = create_app({})
        app.state.line = Line(model, at_once=1, max_waiting=4)
        async with app.router.lifespan_context(app):
            app.state.line.join(Reply([], 1, 0.0, 60))
            ending = asyncio.create_task(end_after(app.state.storage.folder))
        await ending

    asyncio.run(scenario())


def ready(client: httpx2.Client) -> None:
    """Wait until the model is loaded."""
    while client.get("/ready").status_code != 200:
        threading.Event().wait(0.01)
