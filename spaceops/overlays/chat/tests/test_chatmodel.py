"""A real model of the transformers library, made here: tiny, with random weights; what it says means nothing."""

from __future__ import annotations

import asyncio
import shutil
from types import SimpleNamespace

import pytest

from answering import Line, Message, Reply, TooLong, Unanswerable
from chatmodel import TOGETHER, Pen, Transformers, ends_of, fit, together
from inference import pytorch
from inference.checkpoint import Checkpoint
from inference.hub import ModelError

TEMPLATE = (
    "{% if messages[0].content == 'refuse me' %}{{ raise_exception('No such conversation') }}{% endif %}"
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
USER = Message(role="user", content="Say something, please")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of Llama's architecture with a vocabulary of bytes."""
    if not pytorch.is_installed():
        pytest.skip("PyTorch is not installed")
    pytorch.set_up()  # before it is imported: on a busy machine its threads take a second for what takes a millisecond
    import torch
    import transformers
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


def test_an_answer_ends_where_half_of_the_context_is_written(model):
    [(_, facts)] = replies_of(model, ([USER], 100, 0.0, 60))

    assert ("length", 64) == (facts["finish"], facts["new_tokens"])


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


def test_how_much_fits_does_not_depend_on_who_else_asks(model):
    async def ask(*most):
        replies = [Reply([Message(role="user", content="x" * 40 + "y" * (64 - new))], new, 0.0, 60) for new in most]
        model.answer(replies)
        return [[event.data async for event in reply.events()] for reply in replies]

    [alone] = asyncio.run(ask(10))
    together = asyncio.run(ask(64, 10, 64))

    assert alone[:-1] == together[1][:-1]
    assert [64, 10, 64] == [events[-1]["new_tokens"] for events in together]


def test_a_conversation_that_the_template_refuses_fails_alone(model):
    async def ask():
        refused, fine = Reply([Message(role="user", content="refuse me")], 5, 0.0, 60), Reply([USER], 5, 0.0, 60)
        model.answer([refused, fine])
        with pytest.raises(Unanswerable, match="The model does not take this conversation: No such conversation"):
            await anext(refused.events())
        return [event async for event in fine.events()][-1]

    assert 5 == asyncio.run(ask()).data["new_tokens"]


def test_bytes_that_make_no_character_do_not_end_the_text():
    """A token that is a byte may come at any time, as in models of Llama's and Gemma's families."""
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {"a": 0, "<0xE6>": 1, "<0x97>": 2, "<0xA5>": 3}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges=[], byte_fallback=True))
    tokenizer.decoder = tokenizers.decoders.Sequence([tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse()])

    async def written(tokens):
        reply = Reply([USER], 100, 0.0, 60)
        pen = Pen(reply, SimpleNamespace(backend_tokenizer=tokenizer), {9}, [], 0, 100)
        for token in [*tokens, 9]:
            pen.write(token)
        return "".join([event.data["text"] async for event in reply.events() if event.name == "token"])

    assert "a日a" == asyncio.run(written([0, 1, 2, 3, 0]))
    assert "日a" == asyncio.run(written([0, 2, 2, 0, 1, 2, 3, 0]))[-2:]


def test_time_ends_an_answer_and_counts_from_when_it_is_begun(model):
    async def ask():
        reply = Reply([USER], 60, 0.0, 0)
        model.answer([reply])
        return [event async for event in reply.events()]

    [done] = asyncio.run(ask())
    assert ("time", 0) == (done.data["finish"], done.data["new_tokens"])


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


def test_a_long_conversation_is_not_read_once_for_each_of_its_messages():
    messages = [Message(role=("user", "assistant")[number % 2], content="x" * 100) for number in range(99)]
    read = []

    def count(some):
        read.append(len(some))
        return [0] * 100 * len(some)

    assert (300, 96) == (len((found := fit(messages, count, 399))[0]), found[1])
    assert sum(read) < 2 * len(messages)


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([(100, 50)] * 3, [3]),
        ([(900, 100), (100, 900), (100, 100), (800, 100)], [1, 2, 1]),
        ([(TOGETHER // 4 - 100, 100)] * 5, [4, 1]),
        ([(2 * TOGETHER, 100)], [1]),
        ([], []),
    ],
)
def test_who_is_answered_together_fits_into_the_context_and_into_memory(sizes, groups):
    pens = [SimpleNamespace(prompt=[0] * prompt, new_tokens=new_tokens) for prompt, new_tokens in sizes]
    context = 1000 if len(sizes) == 4 else 3 * TOGETHER

    found = list(together(pens, context))
    assert groups == [len(some) for some in found]
    assert pens == [pen for some in found for pen in some]


def test_an_answer_ends_where_the_model_or_its_tokenizer_says():
    assert {1, 2} == ends_of([1, 2], 2)
    assert {1, 3} == ends_of(1, 3)
    assert {3} == ends_of(None, 3)
    assert {1} == ends_of(1, None)


def test_what_was_read_is_not_read_again_even_if_the_model_was_saved_so(folder, tmp_path):
    """As trainings do it that have no memory to spare."""
    other = shutil.copytree(folder, tmp_path / "model")
    (other / "generation_config.json").write_text('{"use_cache": false, "eos_token_id": 0}', "utf-8")
    model, read = Transformers(Checkpoint(str(other))), []
    model.load()
    model._model.register_forward_pre_hook(
        lambda _model, _args, inputs: read.append(inputs["input_ids"].shape[1]), with_kwargs=True
    )
    [(_, facts)] = replies_of(model, ([USER], 5, 0.0, 60))

    assert [facts["prompt_tokens"], 1, 1, 1, 1] == read


def test_a_model_that_cannot_answer_is_not_ready(folder, tmp_path):
    """Such as one whose numbers are too large for a GPU's half precision."""
    import torch
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(folder, tmp_path / "model")
    tensors = {name: torch.full_like(one, torch.inf) for name, one in load_file(broken / "model.safetensors").items()}
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(RuntimeError, match="inf"):
        Transformers(Checkpoint(str(broken))).load()
