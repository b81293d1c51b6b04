"""What can summarize: the text's own best sentences, without a download, or a model from the Hub in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from document import Document, take_apart
from extractive import choose_sentences, rank
from inference.checkpoint import Checkpoint
from words import WORD

Progress = Callable[[float, str], None]

ARCHITECTURES = ("ForConditionalGeneration", "EncoderDecoderModel")  # of those that turn one text into another
WORDS_IN_SENTENCE = 22  # on average
TOKENS_IN_WORD = 1.4
MOST_READ = 1024  # tokens at a time; the tokenizers of some models do not know how many theirs can read
SHRINK = 4  # a piece of a long text is summarized to this part of it, until the summaries fit into one piece
OVERLAP = 1  # sentences that a piece repeats of the one before


class Size(NamedTuple):
    """How long a summary should be: at most so many sentences, or so many words."""

    sentences: int | None
    words: int | None


@dataclass(frozen=True)
class Summary:
    """A summary, and if it is made of the text's own sentences, which."""

    text: str
    chosen: list[int] = field(default_factory=list)


class Model(Protocol):
    """What the app asks of a model. It costs nothing until `load` is called."""

    name: str
    device: str

    def load(self) -> None:
        """Download, read, warm up. May take minutes; raises whatever goes wrong."""

    def summarize(self, document: Document, size: Size, progress: Progress) -> Summary:
        """Summarize a text of at least one sentence. Tells its progress all the time, for that may end it."""


class LexRank:
    """Chooses sentences: English and German best, other languages well enough. A book takes seconds."""

    name = "LexRank"
    device = "cpu"

    def load(self) -> None:
        """There is nothing to load."""

    def summarize(self, document: Document, size: Size, progress: Progress) -> Summary:
        """The sentences that matter most, in their order."""
        candidates, scores, alike = rank(document, progress)
        sentences = [document.sentences[place] for place in candidates]
        lengths = [len(WORD.findall(sentence.text)) for sentence in sentences]
        chosen = choose_sentences(lengths, scores, alike, sentences=size.sentences, words=size.words)
        text = " ".join(complete(sentences[place].text) for place in chosen)
        return Summary(text, [candidates[place] for place in chosen])


def complete(sentence: str) -> str:
    """An item of a list often lacks the full stop that it needs among sentences."""
    return sentence if sentence[-1] in ".!?…:;\"'»”“)。！？" else f"{sentence}."  # noqa: RUF001


class Transformers:
    """A model that writes summaries (BART, T5 and the like), from the Hub or a folder."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.name = checkpoint.name
        self.device = "cpu"
        self._checkpoint = checkpoint

    def load(self) -> None:
        """Find the files, or download them, and read them."""
        self._tokenizer, self._model = self._checkpoint.load("AutoModelForSeq2SeqLM", ARCHITECTURES)
        self.device = self._model.device.type
        config = self._model.config
        tasks = getattr(config, "task_specific_params", None) or {}
        self._prefix = tasks.get("summarization", {}).get("prefix", "")  # T5 is told what to do
        known = (self._tokenizer.model_max_length, getattr(config, "max_position_embeddings", None), MOST_READ)
        self._most_read = min(number for number in known if number)

    def summarize(self, document: Document, size: Size, progress: Progress) -> Summary:
        """Summarize piece by piece, and the summaries again, until one is left."""
        sentences = [sentence.text for sentence in document.sentences]
        wanted = size.words or (size.sentences or 5) * WORDS_IN_SENTENCE
        left = 1.0  # of the work
        while True:
            pieces = list(self._pieces(sentences))
            last = len(pieces) == 1
            tokens = min(int(wanted * TOKENS_IN_WORD), self._most_read) if last else self._most_read // SHRINK
            share = left if last else left * (1 - 1 / SHRINK)
            written = []
            for number, piece in enumerate(pieces):
                step = "Writing the summary" if last else f"Reading part {number + 1:,} of {len(pieces):,}"
                done = 1 - left + share * number / len(pieces)
                written.append(self._write(piece, tokens, _part(progress, done, share / len(pieces), step)))
            sentences = [sentence.text for text in written for sentence in take_apart(text).sentences]
            left -= share
            if last or not sentences:
                return Summary(" ".join(sentences[: size.sentences]))

    def _pieces(self, sentences: Sequence[str]) -> Iterator[str]:
        """As many sentences at a time as the model can read, each time with the end of those before."""
        room = self._most_read - len(self._tokenizer(self._prefix)["input_ids"]) - 2
        lengths = [len(ids) for ids in self._tokenizer(list(sentences), add_special_tokens=False)["input_ids"]]
        start = 0
        while start < len(sentences):
            end, used = start, 0
            while end < len(sentences) and (end == start or used + lengths[end] <= room):
                used += lengths[end]
                end += 1
            yield self._prefix + " ".join(sentences[start:end])
            start = end if end == len(sentences) else max(end - OVERLAP, start + 1)

    def _write(self, text: str, tokens: int, progress: Callable[[float], None]) -> str:
        """Let the model write at most so many tokens, and tell the progress at each."""
        import torch

        def told(ids: Any, _scores: Any, **_: Any) -> Any:
            progress(min(1.0, ids.shape[1] / tokens))
            return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

        inputs = self._tokenizer(text, return_tensors="pt", truncation=True, max_length=self._most_read)
        with torch.inference_mode():
            [ids] = self._model.generate(
                **inputs.to(self.device),
                max_new_tokens=tokens,
                min_new_tokens=min(10, tokens),
                max_length=None,
                min_length=None,
                num_beams=2,
                do_sample=False,
                no_repeat_ngram_size=3,
                stopping_criteria=[told],
            )
        return str(self._tokenizer.decode(ids, skip_special_tokens=True)).strip()


def _part(progress: Progress, done: float, share: float, step: str) -> Callable[[float], None]:
    """Progress within a part of the work."""
    return lambda fraction: progress(done + share * fraction, step)


def choose(environ: Mapping[str, str]) -> Model:
    """The model that MODEL_ID and MODEL_REVISION name, else LexRank."""
    checkpoint = Checkpoint.from_environ(environ)
    return Transformers(checkpoint) if checkpoint else LexRank()
