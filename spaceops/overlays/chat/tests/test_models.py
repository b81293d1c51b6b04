"""The model that needs no download, and how a model is chosen."""

from __future__ import annotations

import asyncio

import pytest

from answering import Line, Message, Reply
from models import Retrieval, choose


@pytest.fixture(scope="module")
def model():
    model = Retrieval()
    model.load()
    return model


def answer(model, *turns, max_new_tokens=100, seconds=60.0):
    """The text and the facts of an answer to a conversation; who speaks alternates, beginning with the user."""

    async def ask():
        line = Line(model, at_once=8, max_waiting=1)
        line.start()
        messages = [Message(role=("user", "assistant")[number % 2], content=text) for number, text in enumerate(turns)]
        reply = Reply(messages, max_new_tokens, 0.7, seconds)
        line.join(reply)
        events = [event async for event in reply.events()]
        await line.close()
        return "".join(event.data["text"] for event in events if event.name == "token"), events[-1].data

    return asyncio.run(ask())


def test_without_settings_the_model_is_the_file():
    assert isinstance(choose({"MODEL_REVISION": "main"}), Retrieval)


def test_a_model_id_chooses_transformers_and_costs_nothing_yet():
    assert "acme/chat@v2" == choose({"MODEL_ID": "acme/chat", "MODEL_REVISION": "v2"}).name
    assert "acme/chat" == choose({"MODEL_ID": "acme/chat", "MODEL_REVISION": ""}).name


def test_an_answer_names_its_section(model):
    text, facts = answer(model, "Are my messages stored?")

    assert text.startswith("Your messages are not stored")
    assert text.endswith("(From “Privacy”.)")
    assert ("stop", "Privacy", 4, len(text.split())) == (
        facts["finish"],
        facts["source"],
        facts["prompt_tokens"],
        facts["new_tokens"],
    )


def test_it_says_when_it_knows_nothing_and_what_it_knows(model):
    text, facts = answer(model, "What is the capital of France?")

    assert text.startswith("I know nothing about that.")
    assert "Privacy" in text
    assert facts["source"] is None


def test_a_question_may_go_on_from_the_one_before(model):
    _, alone = answer(model, "And on a CPU or elsewhere?")
    _, after = answer(model, "Which hardware does a small model need?", "…", "And on a CPU or elsewhere?")

    assert (None, "Using a language model") == (alone["source"], after["source"])


def test_an_answer_is_as_long_as_allowed(model):
    text, facts = answer(model, "Are my messages stored?", max_new_tokens=5)

    assert ("Your messages are not stored", "length", 5) == (text.strip(), facts["finish"], facts["new_tokens"])


def test_an_answer_ends_when_its_time_is_up(model):
    text, facts = answer(model, "Are my messages stored?", seconds=0)

    assert ("", "time") == (text, facts["finish"])
