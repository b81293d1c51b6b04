"""A conversation with a model: a JSON API that streams the answers, and a page for people."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

import answering
from answering import Finish, Full, Line, Reply, Unanswerable
from models import choose
from serving import feedback, operations
from serving.loading import Loaded, Loader
from serving.problems import problems
from serving.settings import Settings, whole
from serving.storage import open_storage
from serving.web import client_of, log_failure, protect

MAX_CHARACTERS = 8000  # of a message
MAX_MESSAGES = 100
MAX_TOKENS = 1024  # of an answer
MAX_SECONDS = 120.0  # for an answer, from its turn on
MAX_BODY = 10_000_000  # bytes: as JSON, a character can take twelve

router = APIRouter()


class Message(BaseModel):
    """What somebody said."""

    role: answering.Role
    content: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CHARACTERS)]


def in_turn(messages: list[Message]) -> list[Message]:
    """Models are made for this order, and many refuse any other."""
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[0] == "system" else roles
    if turns != [("user", "assistant")[number % 2] for number in range(len(turns))] or len(turns) % 2 == 0:
        raise ValueError("user and assistant must take turns, beginning and ending with user, after at most one system")
    return messages


class Conversation(BaseModel):
    """What was said so far, the last message being the question; and how to answer it."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES), AfterValidator(in_turn)] = Field(
        examples=[[{"role": "user", "content": "What can you do?"}]]
    )
    max_new_tokens: int = Field(default=256, ge=1, le=MAX_TOKENS, description="At most so long is the answer")
    temperature: float = Field(default=0.7, ge=0, le=2, description="0: always the likeliest word; more: more surprise")
    stream: bool = Field(default=True, description="As events while it is written, or all at once when it is complete")


class Answer(BaseModel):
    """A complete answer."""

    answer: str
    backend: str = Field(description="The model that answered")
    finish: Finish = Field(description="Why it ends: all is said, it is as long as allowed, or the time is up")
    prompt_tokens: int = Field(description="What the model read")
    new_tokens: int = Field(description="What it wrote")
    left_out: int = Field(description="The oldest messages, as many as did not fit")
    source: str | None = Field(description="The section of knowledge.md that it is from")
    seconds: float


EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["position", "token", "done", "error"]},
        "data": {"type": "string", "description": "JSON: position in the queue; text; facts as of an Answer; detail"},
    },
}
STREAM = {
    "description": "The answer; with `stream`, as events",
    "content": {"text/event-stream": {"itemSchema": EVENT}},
}


@router.post("/chat", response_model=Answer, responses={200: STREAM, **problems(503)})
async def chat(body: Conversation, model: Loaded, request: Request) -> Any:
    """Answer the last of the messages, as events or in one piece."""
    messages = [answering.Message(role=message.role, content=message.content) for message in body.messages]
    reply = Reply(messages, body.max_new_tokens, body.temperature, MAX_SECONDS)
    try:
        request.app.state.line.join(reply, client_of(request.scope))
    except Full as full:
        raise HTTPException(503, str(full), {"Retry-After": str(full.retry_after)}) from full
    if body.stream:
        return stream(reply, model.name, request)
    return await complete(reply, model.name)


def stream(reply: Reply, backend: str, request: Request) -> Response:
    """The answer as it is written. What goes wrong on the way is an event too: the status is long sent."""

    async def events() -> AsyncIterator[str]:
        try:
            async for event in reply.events():
                more = {"backend": backend} if event.name == "done" else {}
                yield ":\n\n" if event.name == "nothing" else written(event.name, more | event.data)
        except Unanswerable as error:
            yield written("error", {"detail": str(error)})
        except Exception as error:  # the border to the model: whatever it raises becomes an event
            log_failure(error, request.state.request_id)
            yield written("error", {"detail": "Something went wrong here. The log knows more under this request's id."})

    # nginx and others keep an answer back until they have enough of it, unless they are told not to.
    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def written(name: str, data: Mapping[str, Any]) -> str:
    """An event as it is sent."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def complete(reply: Reply, backend: str) -> Answer:
    """The answer when all of it is there. If the client goes away before, it is given up."""
    pieces = []
    try:
        async for event in reply.events():
            if event.name == "token":
                pieces.append(event.data["text"])
    except Unanswerable as error:
        raise HTTPException(422, str(error)) from error
    return Answer(answer="".join(pieces).strip(), backend=backend, **event.data)


def create_app(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """The app as the environment wants it. Nothing is loaded and nothing written until it starts."""
    settings = Settings.from_environ(environ)
    at_once = whole(environ, "MAX_BATCH", 32, least=1)
    max_waiting = whole(environ, "MAX_WAITING", 256, least=1)
    model = choose(environ)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Load the model while the port is already open; in the end, answer whoever waits."""
        app.state.storage = open_storage(environ)
        app.state.opinions = feedback.Opinions(app.state.storage)
        app.state.loader.start()
        app.state.line.start()
        yield
        app.state.storage.close()  # at once: a model that reads something long may need more time than is left
        await app.state.line.close()

    app = FastAPI(
        title="Chat",
        description="A conversation, answered as it is written.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page fetches its script from a CDN; ours is static/docs.html
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # else each request looks for them
    )
    app.state.loader = Loader(model)
    app.state.line = Line(model, at_once=at_once, max_waiting=max_waiting)
    for part in (router, feedback.router, operations.router):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=operations.STATIC), name="static")
    protect(app, settings, max_body=MAX_BODY)
    return app


app = create_app()
