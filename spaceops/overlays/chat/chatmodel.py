"""A chat model of the transformers library. Those who wait at the same time are answered together, token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from answering import Finish, Message, Reply, TooLong
from inference.checkpoint import Checkpoint
from inference.hub import ModelError

AT_ONCE = 8  # conversations; each needs memory for what it has read and written
CONTEXT = 4096  # tokens that a model reads, if it does not say
ARCHITECTURES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")  # the last ones see pictures, too
COLDEST = 1e-3  # for the temperature 0, which asks for the likeliest token: nothing can be divided by 0


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
        reads = getattr(self._model.config.get_text_config(), "max_position_embeddings", CONTEXT)
        self._context = min(reads, self._tokenizer.model_max_length)

    def answer(self, replies: Sequence[Reply]) -> None:
        """Cut the conversations to what the model reads, and let it go on with all of them at once."""
        new_tokens = min(max(reply.max_new_tokens for reply in replies), self._context // 2)
        prompts, pens = [], []
        for reply in replies:
            try:
                prompt, left_out = fit(reply.messages, self._tokens, self._context - new_tokens)
            except TooLong as error:
                reply.fail(error)
            else:
                prompts.append(prompt)
                pens.append(Pen(reply, self._tokenizer, self._ends(), len(prompt), left_out))
        if pens:
            self._generate(prompts, pens, new_tokens)

    def _tokens(self, messages: list[Message]) -> list[int]:
        tokens: list[int] = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        return tokens

    def _ends(self) -> set[int]:
        """The tokens that end an answer: a model may have several."""
        ends = self._model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends}

    def _generate(self, prompts: list[list[int]], pens: list[Pen], new_tokens: int) -> None:
        """Short prompts are filled up on the left, so that all end where the answers begin."""
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        temperatures = torch.tensor([[max(pen.reply.temperature, COLDEST)] for pen in pens], device=self.device)

        def warm(_tokens: Any, scores: Any) -> Any:
            return scores / temperatures

        def write(tokens: Any, _scores: Any, **_: Any) -> Any:
            over = [pen.write(token) for pen, token in zip(pens, tokens[:, -1].tolist(), strict=True)]
            return torch.tensor(over, device=tokens.device)

        inputs = self._tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            self._model.generate(
                **inputs,
                max_new_tokens=new_tokens,
                do_sample=True,
                temperature=1.0,  # each conversation has its own
                logits_processor=LogitsProcessorList([warm]),
                stopping_criteria=StoppingCriteriaList([write]),  # asked after each step which of them are over
            )
        for pen in pens:
            pen.end("length")


class Pen:
    """Writes one reply, of which the model hands it the tokens."""

    def __init__(self, reply: Reply, tokenizer: Any, ends: set[int], prompt_tokens: int, left_out: int) -> None:
        from tokenizers.decoders import DecodeStream

        self.reply = reply
        self._stream, self._tokenizer = DecodeStream(skip_special_tokens=True), tokenizer.backend_tokenizer
        self._ends = ends
        self._prompt_tokens, self._left_out = prompt_tokens, left_out

    def write(self, token: int) -> bool:
        """Write a token; whether that was the last."""
        if token in self._ends:
            self.end("stop")
        elif self.reply.over:
            self.end("time")
        else:
            self.reply.write(self._stream.step(self._tokenizer, token) or "")  # nothing, where it is half a character
            if self.reply.enough:
                self.end("length")
        return self.reply.complete

    def end(self, finish: Finish) -> None:
        """The reply is complete, if it was not already."""
        if not self.reply.complete:
            self.reply.done(finish, prompt_tokens=self._prompt_tokens, left_out=self._left_out)


def fit(messages: list[Message], count: Callable[[list[Message]], list[int]], room: int) -> tuple[list[int], int]:
    """The tokens of what the model has room for, and how many of the oldest messages were left out.

    What the system is told stays, and a question goes with its answer. Raises `TooLong` if not even the last one fits.
    """
    system = messages[:1] if messages[0]["role"] == "system" else []
    rest = messages[len(system) :]
    for left_out in range(0, len(rest), 2):
        tokens = count([*system, *rest[left_out:]])
        if len(tokens) <= room:
            return tokens, left_out
    raise TooLong(len(tokens), room)
