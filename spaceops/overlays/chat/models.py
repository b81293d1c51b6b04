"""The models that can answer: a file of knowledge that needs no download, or a chat model from the Hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from answering import ChatModel, Finish, Message, Reply
from chatmodel import Transformers
from inference.checkpoint import Checkpoint
from knowledge import Knowledge

KNOWLEDGE = Path(__file__).parent / "knowledge.md"


class Retrieval:
    """Answers with the paragraph of knowledge.md that fits the question; it writes nothing of its own."""

    name = "knowledge.md"
    device = "cpu"
    at_once = 32  # one after another, in fact; it takes no time, and few need be told their place in the queue

    def load(self) -> None:
        """Read the file."""
        self._knowledge = Knowledge(KNOWLEDGE.read_text("utf-8"))

    def answer(self, replies: Sequence[Reply]) -> None:
        """Write the paragraphs, a word at a time."""
        for reply in replies:
            text, source = self._find(reply.messages)
            asked = sum(len(message["content"].split()) for message in reply.messages)
            reply.done(write(reply, text), prompt_tokens=asked, source=source)

    def _find(self, messages: Sequence[Message]) -> tuple[str, str | None]:
        """What fits the last question; if nothing does, it may go on from the one before: "And on Sundays?"."""
        questions = [message["content"] for message in messages if message["role"] == "user"]
        found = self._knowledge.best(questions[-1]) or self._knowledge.best(" ".join(questions[-2:]))
        if found:
            return f"{found.text} (From “{found.heading}”.)", found.heading
        headings = ", ".join(self._knowledge.headings)
        return f"I know nothing about that. I only know what knowledge.md says about: {headings}.", None


def write(reply: Reply, text: str) -> Finish:
    """Write a text into a reply, a word at a time, as far as it may."""
    for word in re.findall(r"\S+\s*", text):
        if reply.over:
            return "time"
        if reply.enough:
            return "length"
        reply.write(word)
    return "stop"


def choose(environ: Mapping[str, str]) -> ChatModel:
    """The chat model that MODEL_ID and MODEL_REVISION name, else knowledge.md."""
    checkpoint = Checkpoint.from_environ(environ)
    return Transformers(checkpoint) if checkpoint else Retrieval()
