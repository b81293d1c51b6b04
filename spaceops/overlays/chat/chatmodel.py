"""A chat model of the transformers library. Those who wait at the same time are answered together, token by token."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from answering import Finish, Message, Reply, TooLong, Unanswerable
from inference.checkpoint import Checkpoint
from inference.hub import ModelError

AT_ONCE = 8  # conversations
TOGETHER = 32_768  # tokens that these may have, with padding: each needs memory for what it has read and writes
CONTEXT = 8192  # tokens of one conversation, even if the model reads more: nothing stops it while it reads
ARCHITECTURES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")  # the last ones see pictures, too
COLDEST = 1e-6  # for the temperature 0, which asks for the likeliest token: nothing can be divided by 0


class Transformers:
    """A model from the Hub, or from a folder; its own chat template says how a conversation is put to it."""

    at_once = AT_ONCE

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.name = checkpoint.name
        self.device = "cpu"
        self._checkpoint = checkpoint

    def load(self) -> None:
        """Find the files, or download them, and read them; on a GPU that takes half the memory."""
        self._tokenizer, self._model = self._checkpoint.load("AutoModelForCausalLM", ARCHITECTURES)
        self.device = self._model.device.type
        if not self._tokenizer.chat_template:
            raise ModelError(f"{self.name} has no chat template: choose a model that is made for conversations")
        self._tokenizer.padding_side = "left"
        self._tokenizer.pad_token = self._tokenizer.pad_token or self._tokenizer.eos_token
        reads = getattr(self._model.config.get_text_config(), "max_position_embeddings", None) or CONTEXT
        self._context = min(reads, self._tokenizer.model_max_length, CONTEXT)
        self._ends = ends_of(self._model.generation_config.eos_token_id, self._tokenizer.eos_token_id)
        asyncio.run(self._try_out())

    async def _try_out(self) -> None:
        """Answer once, so that what does not fit fails here, and a GPU has made ready what it needs."""
        reply = Reply([Message(role="user", content="Hello!")], 2, 0.0, 600.0)
        self.answer([reply])
        async for _ in reply.events():
            pass

    def answer(self, replies: Sequence[Reply]) -> None:
        """Cut the conversations to what the model reads, and let it go on with as many at once as it can."""
        pens = []
        for reply in replies:
            try:
                pens.append(self._pen(reply))
            except BaseException as error:  # the border to foreign code: whatever it raises is about this one
                reply.fail(error)
        for some in together(pens, self._context):
            self._generate(some)

    def _pen(self, reply: Reply) -> Pen:
        new_tokens = min(reply.max_new_tokens, self._context // 2)
        prompt, left_out = fit(reply.messages, self._tokens, self._context - new_tokens)
        return Pen(reply, self._tokenizer, self._ends, prompt, left_out, new_tokens)

    def _tokens(self, messages: list[Message]) -> list[int]:
        from jinja2 import TemplateError

        try:
            tokens: list[int] = self._tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_dict=False
            )
        except TemplateError as error:  # so a template refuses what its model was not made for, such as a system's role
            raise Unanswerable(f"The model does not take this conversation: {error}") from error
        return tokens

    def _generate(self, pens: Sequence[Pen]) -> None:
        """Short prompts are filled up on the left, so that all end where the answers begin."""
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        for pen in pens:
            pen.reply.begin()
        temperatures = torch.tensor([[max(pen.reply.temperature, COLDEST)] for pen in pens], device=self.device)

        def warm(_tokens: Any, scores: Any) -> Any:
            return scores / temperatures

        def write(tokens: Any, _scores: Any, **_: Any) -> Any:
            over = [pen.write(token) for pen, token in zip(pens, tokens[:, -1].tolist(), strict=True)]
            return torch.tensor(over, device=tokens.device)

        prompts = {"input_ids": [pen.prompt for pen in pens]}
        inputs = self._tokenizer.pad(prompts, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            self._model.generate(
                **inputs,
                max_new_tokens=max(pen.new_tokens for pen in pens),
                do_sample=True,
                temperature=1.0,  # each conversation has its own
                use_cache=True,  # which many trainings leave off; then all is read again for each token
                logits_processor=LogitsProcessorList([warm]),
                stopping_criteria=StoppingCriteriaList([write]),  # asked after each step which of them are over
            )
        for pen in pens:
            pen.end("length")


class Pen:
    """Writes one reply, of which the model hands it the tokens."""

    def __init__(
        self, reply: Reply, tokenizer: Any, ends: set[int], prompt: list[int], left_out: int, new_tokens: int
    ) -> None:
        self.reply, self.prompt, self.new_tokens = reply, prompt, new_tokens
        self._tokenizer, self._ends, self._left_out = tokenizer.backend_tokenizer, ends, left_out
        self._begin_text()

    def _begin_text(self) -> None:
        from tokenizers.decoders import DecodeStream

        self._stream = DecodeStream(skip_special_tokens=True)

    def write(self, token: int) -> bool:
        """Write a token; whether that was the last."""
        if token in self._ends:
            self.end("stop")
        elif self.reply.over:
            self.end("time")
        else:
            self.reply.write(self._text(token))
            if self.reply.enough:
                self.end("length")
        return self.reply.complete

    def _text(self, token: int) -> str:
        """What a token adds to the text: nothing, where it is half a character."""
        try:
            return self._stream.step(self._tokenizer, token) or ""
        except Exception:  # the library has no other class for bytes that make no character; go on behind them
            self._begin_text()
            return self._stream.step(self._tokenizer, token) or ""

    def end(self, finish: Finish) -> None:
        """The reply is complete, if it was not already."""
        if not self.reply.complete:
            self.reply.done(finish, prompt_tokens=len(self.prompt), left_out=self._left_out)


def ends_of(model_ends: int | list[int] | None, tokenizer_end: int | None) -> set[int]:
    """The tokens that end an answer: a model may have several, and one that was fine-tuned another than it says."""
    ends = model_ends if isinstance(model_ends, list) else [model_ends]
    return {end for end in (*ends, tokenizer_end) if end is not None}


def together(pens: Sequence[Pen], context: int) -> Iterator[list[Pen]]:
    """Who can be answered at once: the longest prompt leaves room for the longest answer, and all fit into memory.

    Who is done is carried along until all are, and must not get to where the model's positions end.
    """
    some: list[Pen] = []
    for pen in pens:
        more = [*some, pen]
        length = max(len(one.prompt) for one in more) + max(one.new_tokens for one in more)
        if some and (length > context or length * len(more) > TOGETHER):
            yield some
            more = [pen]
        some = more
    if some:
        yield some


def fit(messages: list[Message], count: Callable[[list[Message]], list[int]], room: int) -> tuple[list[int], int]:
    """The tokens of what the model has room for, and how many of the oldest messages were left out.

    What the system is told stays, and a question goes with its answer. Raises `TooLong` if not even the last one fits.
    """
    system = messages[:1] if messages[0]["role"] == "system" else []
    rest = messages[len(system) :]

    def tokens(left_out: int) -> list[int]:
        return count([*system, *rest[left_out:]])

    starts = range(0, len(rest), 2)
    fitting = bisect_left(starts, True, key=lambda left_out: len(tokens(left_out)) <= room)
    left_out = starts[min(fitting, len(starts) - 1)]
    prompt = tokens(left_out)
    if len(prompt) > room:
        raise TooLong(len(prompt), room)
    return prompt, left_out
