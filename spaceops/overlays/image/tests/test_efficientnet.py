"""The network that is made from the weights of a package."""

import io
import pickle
import struct

import numpy as np
import pytest

import efficientnet


def test_there_are_a_thousand_different_names():
    labels = efficientnet.labels()

    assert 1000 == len(labels) == len({label.lower() for label in labels})
    assert ("tench", "toilet tissue") == (labels[0], labels[-1])  # the first and the last of ImageNet


def test_the_weights_are_those_that_were_trained():
    weights = efficientnet.weights()

    assert 4_694_073 == sum(weight.size for weight in weights.values())
    assert (1000, 1280) == weights["_fc.weight"].shape
    assert all(np.isfinite(weight).all() for weight in weights.values())


def saved(*objects: object, storages: bytes = b"") -> io.BytesIO:
    """A file as PyTorch once wrote it."""
    return io.BytesIO(b"".join(pickle.dumps(each, 2) for each in objects) + storages)


class Anything:
    """Pickled, this calls a function when it is read."""

    def __reduce__(self):
        return print, ("this must not be called",)


def test_a_file_that_names_anything_else_is_not_run(capsys):
    with pytest.raises(pickle.UnpicklingError, match="print has no place among weights"):
        efficientnet.read(saved(1, 2, 3, {"weight": Anything()}, []))

    assert "" == capsys.readouterr().out


def test_a_tensor_lies_in_its_storage_as_its_strides_say():
    numbers = struct.pack("<7f", *range(7))
    little_endian = np.dtype("<f4")

    turned = efficientnet.tensor(numbers, little_endian, 1, (2, 3), (1, 2))

    assert [[1, 3, 5], [2, 4, 6]] == turned.tolist()


def test_a_tensor_cannot_reach_beyond_its_storage():
    with pytest.raises((TypeError, ValueError)):
        efficientnet.tensor(b"\0" * 28, np.dtype("<f4"), 2, (2, 3), (1, 2))
