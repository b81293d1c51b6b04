"""The models themselves, and how one is chosen."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise

import pytest

from document import take_apart
from inference import pytorch
from inference.checkpoint import Checkpoint
from models import LexRank, Size, Transformers, choose, complete
from serving.jobs import Cancelled

TEXT = "The ferry left the harbour. " * 40


def ignore(_fraction: float, _step: str) -> None:
    """Progress that nobody follows."""


def test_without_settings_sentences_are_chosen():
    assert isinstance(choose({"MODEL_REVISION": "main"}), LexRank)


def test_a_model_id_chooses_transformers_and_costs_nothing_yet():
    assert "acme/short@v2" == choose({"MODEL_ID": "acme/short", "MODEL_REVISION": "v2"}).name
    assert "acme/short" == choose({"MODEL_ID": "acme/short", "MODEL_REVISION": ""}).name


@pytest.mark.parametrize(
    ("sentence", "full"), [("Buy milk", "Buy milk."), ("Why?", "Why?"), ('He said "go."', 'He said "go."')]
)
def test_an_item_gets_its_full_stop(sentence, full):
    assert full == complete(sentence)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    """A model of BART's architecture with random weights, made here: what it says means nothing."""
    if not pytorch.is_installed():
        pytest.skip("PyTorch is not installed")
    pytorch.set_up()  # before it is imported: on a busy machine its threads take a second for what takes a millisecond
    import tokenizers
    import transformers

    folder = tmp_path_factory.mktemp("model")
    words = ["<s>", "<pad>", "</s>", "<unk>", "The", "ferry", "left", "the", "harbour", "."]
    vocabulary = tokenizers.models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(vocabulary)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = transformers.BartConfig(
        vocab_size=len(words), d_model=16, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64, **sizes
    )
    transformers.set_seed(7)
    transformers.BartForConditionalGeneration(config).save_pretrained(folder)
    model = Transformers(Checkpoint(str(folder)))
    model.load()
    return model


def test_a_model_writes_a_summary_piece_by_piece_and_tells_its_progress(tiny_model):
    told = []
    document = take_apart(TEXT)
    made = tiny_model.summarize(document, Size(2, None), lambda fraction, step: told.append((fraction, step)))

    assert [] == made.chosen
    assert len(take_apart(made.text).sentences) <= 2
    assert any(step.startswith("Reading part") for _, step in told)
    assert "Writing the summary" == told[-1][1]
    assert all(0 <= fraction <= 1.0001 for fraction, _ in told)
    assert sorted(told, key=lambda one: one[0]) == told


def test_every_sentence_is_in_a_piece_and_no_piece_is_longer_than_the_model_reads(tiny_model):
    sentences = [sentence.text for sentence in take_apart(TEXT).sentences] + ["word " * 200]
    pieces = list(tiny_model._pieces(sentences))

    assert len(pieces) > 3
    assert all(sentence in "".join(pieces) for sentence in sentences)
    assert all(len(piece.split()) <= 64 for piece in pieces[:-1])


def test_a_sentence_that_is_longer_than_the_model_reads_is_cut_off(tiny_model):
    document = take_apart("the ferry " * 70)

    assert 1 == len(document.sentences)
    tiny_model.summarize(document, Size(1, None), ignore)  # or it would ask for positions that the model has not


def test_each_piece_begins_with_the_end_of_the_one_before(tiny_model):
    sentences = [f"The ferry number {number} left the harbour." for number in range(30)]
    pieces = list(tiny_model._pieces(sentences))

    assert len(pieces) > 3
    for one, other in pairwise(pieces):
        assert f"number {other.split()[3]} left the harbour." in one[-40:]


def test_a_model_is_told_what_it_was_trained_to_be_told(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model.name, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["task_specific_params"] = {"summarization": {"prefix": "summarize: "}}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    model = Transformers(Checkpoint(str(folder)))
    model.load()

    assert ["summarize: The ferry left."] == list(model._pieces(["The ferry left."]))


def test_no_more_is_written_than_the_model_has_positions_for(tiny_model):
    """It ends here because nothing else ends it: the model has been told no end."""
    tiny_model._model.generation_config.eos_token_id = None
    tiny_model._model.generation_config.forced_eos_token_id = None
    written = []
    document = take_apart("The ferry left the harbour.")
    tiny_model.summarize(document, Size(None, 500), lambda fraction, _step: written.append(fraction))

    assert 64 == len(written)


def test_writing_is_ended_between_two_tokens(tiny_model):
    asked = []

    def cancel(_fraction: float, _step: str) -> None:
        asked.append(1)
        if len(asked) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        tiny_model.summarize(take_apart(TEXT), Size(None, 500), cancel)
