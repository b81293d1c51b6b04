"""Answers in the making: who waits for one, who is next, and how what the model writes gets to who asked."""

from __future__ import annotations

import asyncio
import math
import threading
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict

from prometheus_client import Counter, Gauge

from serving.loading import Model
from serving.metrics import REGISTRY

WAITING = Gauge("chat_waiting", "Questions that wait for the model", registry=REGISTRY)
NEW_TOKENS = Counter("chat_new_tokens", "Tokens written", registry=REGISTRY)

QUIET = 15.0  # seconds; a proxy may take a longer silence for the end

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "time"]  # the model had said all, or as much as was asked for, or time was over


class Message(TypedDict):
    """One turn of a conversation."""

    role: Role
    content: str


class Full(Exception):
    """No place is free; it is worth another try after `retry_after` seconds."""

    def __init__(self, seconds: float) -> None:
        self.retry_after = max(1, math.ceil(seconds))  # whole ones, as the header wants them, and not too early
        super().__init__(f"Too many questions are waiting. Try again in {self.retry_after} s.")


class Unanswerable(Exception):
    """The model cannot answer this conversation; the message is for the person who asked."""


class TooLong(Unanswerable):
    """The last message alone is more than the model reads."""

    def __init__(self, tokens: int, most: int) -> None:
        super().__init__(f"Your message is too long: it has {tokens:,} tokens, and the model reads {most:,}.")


@dataclass(frozen=True)
class Event:
    """One thing to tell who asked: a position in the queue, a piece of text, how it ended, or nothing for a while."""

    name: Literal["position", "token", "done", "nothing"]
    data: dict[str, Any]


class Reply:
    """One answer. The model writes it, in its thread; the event loop that made it reads it."""

    def __init__(self, messages: list[Message], max_new_tokens: int, temperature: float, seconds: float) -> None:
        self.messages, self.max_new_tokens, self.temperature = messages, max_new_tokens, temperature
        self._seconds, self._deadline = seconds, math.inf
        self._began = time.monotonic()
        self._new_tokens = 0
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self.given_up = self.complete = False
        self.client = ""

    # what the model and the line call, from any thread

    def begin(self) -> None:
        """Its turn has come: from now on the time counts."""
        self._deadline = time.monotonic() + self._seconds

    @property
    def over(self) -> bool:
        """Nothing more need be written: it is complete, nobody waits for it, or its time is up."""
        return self.complete or self.given_up or time.monotonic() > self._deadline

    def stand(self, position: int) -> None:
        """Tell its place in the queue: 1 is the next."""
        self._put(Event("position", {"position": position}))

    def write(self, text: str, tokens: int = 1) -> None:
        """The next piece of the answer; it may be empty where a token is half a character."""
        self._new_tokens += tokens
        NEW_TOKENS.inc(tokens)
        if text:
            self._put(Event("token", {"text": text}))

    @property
    def enough(self) -> bool:
        """As many tokens are written as were asked for."""
        return self._new_tokens >= self.max_new_tokens

    def done(self, finish: Finish, *, prompt_tokens: int, left_out: int = 0, source: str | None = None) -> None:
        """It is complete. `left_out` older messages did not fit; `source` is where it was found."""
        self.complete = True
        facts = {
            "finish": finish,
            "prompt_tokens": prompt_tokens,
            "new_tokens": self._new_tokens,
            "left_out": left_out,
            "source": source,
            "seconds": round(time.monotonic() - self._began, 3),
        }
        self._put(Event("done", facts))

    def fail(self, error: BaseException) -> None:
        """There will be no answer. A panic of a library in Rust is no Exception, as the event loop wants one."""
        self.complete = True
        told = error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
        self._put(told.with_traceback(error.__traceback__))

    def _put(self, event: Event | Exception) -> None:
        self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    # what the event loop calls

    async def events(self, quiet: float = QUIET) -> AsyncIterator[Event]:
        """All there is to tell, up to "done"; raises what went wrong. Who stops reading gives the answer up."""
        try:
            while (event := await self._next(quiet)).name != "done":
                yield event
            yield event
        finally:
            self.given_up = True

    async def _next(self, quiet: float) -> Event:
        try:
            async with asyncio.timeout(quiet):
                event = await self._events.get()
        except TimeoutError:
            return Event("nothing", {})
        if isinstance(event, Exception):
            raise event
        return event


class ChatModel(Model, Protocol):
    """A model that answers several conversations at once."""

    at_once: int

    def answer(self, replies: Sequence[Reply]) -> None:
        """Write each reply until it is over, and say of each that it is done, or has failed."""


class Line:
    """Who waits for an answer, in the order they came. One thread takes as many as the model answers at once."""

    def __init__(self, model: ChatModel, *, at_once: int, max_waiting: int) -> None:
        self._model, self._at_once, self._max_waiting = model, min(at_once, model.at_once), max_waiting
        self._waiting: list[Reply] = []
        self._change = threading.Condition()
        self._open = False
        self._seconds = 1.0  # that a turn took, of late

    def start(self) -> None:
        """Begin to answer."""
        self._open = True
        self._thread = threading.Thread(target=self._answer_all, name="model", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Take nobody more, and return when everybody who was taken is answered."""
        with self._change:
            self._open = False
            self._change.notify()
        await asyncio.to_thread(self._thread.join)

    def join(self, reply: Reply, client: str = "") -> None:
        """Stand in the line, of which no client may take more than a quarter. Raises `Full`."""
        reply.client = client
        with self._change:
            self._waiting = [one for one in self._waiting if not one.given_up]
            theirs = sum(one.client == client for one in self._waiting) if client else 0
            too_many = len(self._waiting) >= self._max_waiting or theirs >= max(1, self._max_waiting // 4)
            if too_many or not self._open:
                turns = 1 + len(self._waiting) // self._at_once
                raise Full(turns * self._seconds)
            self._waiting.append(reply)
            reply.stand(len(self._waiting))
            WAITING.set(len(self._waiting))
            self._change.notify()

    def _answer_all(self) -> None:
        while replies := self._next():
            began = time.monotonic()
            try:
                self._model.answer(replies)
            except BaseException as error:  # the border to foreign code: whatever it raises, nobody may wait in vain
                traceback.clear_frames(error.__traceback__)  # else it would keep their tensors
                for reply in replies:
                    if not reply.complete:
                        reply.fail(error)
            self._seconds += (time.monotonic() - began - self._seconds) / 5

    def _next(self) -> list[Reply]:
        """Wait for somebody, and take those whose turn it is; nobody once the line is closed and empty."""
        with self._change:
            while True:
                waiting = [reply for reply in self._waiting if not reply.given_up]
                turn, self._waiting = waiting[: self._at_once], waiting[self._at_once :]
                WAITING.set(len(self._waiting))
                if turn or not self._open:
                    break
                self._change.wait()
        for reply in turn:
            reply.begin()
        for position, reply in enumerate(self._waiting, 1):
            reply.stand(position)
        return turn
