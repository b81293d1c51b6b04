"""Makes the model that serving.py serves: `python random_distilbert.py FOLDER`, in an environment with transformers.

It has DistilBERT's shape, six layers 768 wide and 30,522 tokens, and random weights, so that nothing is downloaded.
Only friendly words lie together, unfriendly ones too, and the last layer is fitted to tell texts with the ones from
texts with the others: scores spread as a trained model's do, and labels that change mean something.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import torch
from transformers import BertTokenizer, DistilBertConfig, DistilBertForSequenceClassification

TEXTS, FITTED, BATCH = 500, 300, 20
DRAWN, CONFIDENCE = 0.05, 2.0  # the first against 0.02, the spread of the weights
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FRIENDLY = ["love", "great", "good", "lovely", "wonderful", "excellent", "happy", "fine", "best", "superb"]
UNFRIENDLY = ["hate", "awful", "bad", "terrible", "horrible", "poor", "sad", "worst", "broken", "rude"]
WORDS = [*SPECIAL, *FRIENDLY, *UNFRIENDLY]
WORDS += [f"word{number}" for number in range(30522 - len(WORDS))]


def text(generator: random.Random) -> tuple[str, float]:
    """A text of 3 to 60 words, 17 on average, a fifth of them with a mood; and 1 or -1, which mood that is."""
    mood = generator.choice([1.0, -1.0])
    words = [
        f"word{generator.randrange(20_000)}" for _ in range(max(3, min(60, round(generator.gammavariate(2.2, 7.6)))))
    ]
    for place in generator.sample(range(len(words)), max(1, len(words) // 5)):
        words[place] = generator.choice(FRIENDLY if mood > 0 else UNFRIENDLY)
    return " ".join(words), mood


def fit_last_layer(model: DistilBertForSequenceClassification, features: torch.Tensor, moods: torch.Tensor) -> None:
    """Ridge regression from what the layer sees to the moods."""
    mean = features.mean(0)
    centred = features - mean
    products = centred.T @ centred
    ridge = products.trace() / len(products) * torch.eye(len(products))
    weights = torch.linalg.solve(products + ridge, centred.T @ moods)
    weights *= CONFIDENCE / (centred @ weights).std()
    with torch.no_grad():
        model.classifier.weight.copy_(torch.stack([-weights, weights]) / 2)
        model.classifier.bias.copy_(torch.stack([mean @ weights, -mean @ weights]) / 2)


def main(folder: Path) -> None:
    """Write the model, and texts.json: those that it was not fitted to."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), model_max_length=512)
    torch.manual_seed(0)
    model = DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=len(WORDS), id2label={0: "NEGATIVE", 1: "POSITIVE"})
    ).eval()
    words, side = model.distilbert.embeddings.word_embeddings.weight, torch.randn(768) * DRAWN
    with torch.no_grad():
        words[[WORDS.index(word) for word in FRIENDLY]] += side
        words[[WORDS.index(word) for word in UNFRIENDLY]] -= side
    generator = random.Random(0)
    texts, moods = zip(*(text(generator) for _ in range(TEXTS)), strict=True)
    with torch.inference_mode():
        batches = [list(texts[start : start + BATCH]) for start in range(0, FITTED, BATCH)]
        inputs = [tokenizer(one, padding=True, return_tensors="pt", return_token_type_ids=False) for one in batches]
        hidden = torch.cat([model.distilbert(**one)[0][:, 0] for one in inputs])
        features = torch.relu(model.pre_classifier(hidden))
    fit_last_layer(model, features.clone(), torch.tensor(moods[:FITTED]))
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    (folder / "texts.json").write_text(json.dumps(texts[FITTED:]), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
