"""A real model of the transformers library, made here: tiny, with random weights; what it says means nothing."""

from __future__ import annotations

import asyncio

import pytest

from answering import Line, Message, Reply, TooLong
from chatmodel import Transformers, fit
from inference.checkpoint import Checkpoint
from inference.hub import ModelError

TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
USER = Message(role="user", content="Say something, please")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of Llama's architecture with a vocabulary of bytes."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("model")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<end>", "<user>", "<assistant>", "<system>"]
    vocabulary = {token: number for number, token in enumerate(special + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", model_max_length=128)
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=128, bos_token_id=None, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    model = Transformers(Checkpoint(str(folder)))
    model.load()
    return model


def replies_of(model, *questions, at_once=8):
    """What the model says to all of them, asked at once: for each the text and the facts."""

    async def ask():
        line = Line(model, at_once=at_once, max_waiting=100)
        replies = [Reply(*question) for question in questions]
        line.start()
        for reply in replies:
            line.join(reply)
        answers = await asyncio.gather(*map(read, replies))
        await line.close()
        return answers

    async def read(reply):
        events = [event async for event in reply.events()]
        return "".join(event.data["text"] for event in events if event.name == "token"), events[-1].data

    return asyncio.run(ask())


def test_it_answers_as_many_tokens_as_were_asked_for(model):
    [(text, facts)] = replies_of(model, ([USER], 12, 0.0, 60))

    assert ("length", 12, 0) == (facts["finish"], facts["new_tokens"], facts["left_out"])
    assert len("<user><end><assistant>") > facts["prompt_tokens"] - len(USER["content"]) == 3
    assert text


def test_together_they_get_the_same_answers_as_alone(model):
    """Their prompts differ in length, so that the shorter ones are filled up."""
    questions = [([Message(role="user", content="x" * length)], 5 + length, 0.0, 60) for length in (1, 7, 20)]
    together, alone = replies_of(model, *questions), replies_of(model, *questions, at_once=1)

    assert [text for text, _ in alone] == [text for text, _ in together]
    assert [6, 12, 25] == [facts["new_tokens"] for _, facts in together]


def test_each_conversation_has_its_own_temperature(model):
    cold, hot = ([USER], 40, 0.0, 60), ([USER], 40, 2.0, 60)
    answers = [text for text, _ in replies_of(model, cold, hot, cold, hot)]

    assert answers[0] == answers[2]
    assert 3 == len(set(answers))


def test_old_messages_that_do_not_fit_are_left_out(model):
    old = [Message(role="user", content="x" * 50), Message(role="assistant", content="y" * 50)]
    [(_, facts)] = replies_of(model, ([*old, USER], 10, 0.0, 60))

    assert 2 == facts["left_out"]


def test_a_message_that_does_not_fit_fails_alone(model):
    with pytest.raises(TooLong, match="Your message is too long: it has 203 tokens, and the model reads 118"):
        replies_of(model, ([Message(role="user", content="x" * 200)], 10, 0.0, 60))


def test_time_ends_an_answer(model):
    [(_, facts)] = replies_of(model, ([USER], 60, 0.0, 0))

    assert ("time", 0) == (facts["finish"], facts["new_tokens"])


def test_who_gives_up_does_not_hold_up_the_others(model):
    async def ask():
        line = Line(model, at_once=8, max_waiting=10)
        gone, stays = Reply([USER], 60, 0.0, 60), Reply([USER], 60, 0.0, 60)
        line.start()
        line.join(gone)
        line.join(stays)
        async for event in gone.events():
            if event.name == "token":
                break
        events = [event async for event in stays.events()]
        await line.close()
        return events

    assert ("done", 60) == ((event := asyncio.run(ask())[-1]).name, event.data["new_tokens"])


def test_a_model_that_is_not_made_for_conversations_is_refused(folder, tmp_path):
    import shutil

    other = shutil.copytree(folder, tmp_path / "model")
    (other / "chat_template.jinja").unlink()

    with pytest.raises(ModelError, match="no chat template"):
        Transformers(Checkpoint(str(other))).load()


def test_what_the_system_says_stays_when_old_messages_go():
    system = Message(role="system", content="s" * 10)
    messages = [system, *[Message(role=role, content=role[0] * 10) for role in ("user", "assistant", "user")]]

    def count(some):
        return [ord(message["content"][0]) for message in some for _ in message["content"]]

    assert (count([system, messages[3]]), 2) == fit(messages, count, 20)
    assert (count(messages), 0) == fit(messages, count, 40)
    with pytest.raises(TooLong):
        fit(messages, count, 19)
