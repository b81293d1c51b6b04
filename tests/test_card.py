"""README.md's front matter."""

from __future__ import annotations

import pytest

from spaceops.card import Card
from spaceops.errors import BadInput


def test_fields_are_read_between_the_first_two_fences():
    card = Card.read("---\ntitle: Demo\nsdk: docker\napp_port: 8000\n---\n# Demo\n---\n")

    assert ("Demo", "docker", 8000) == (card.title, card.sdk, card.app_port)


@pytest.mark.parametrize("text", ["", "# Only a heading\n", "\n---\nsdk: docker\n---\n", "---\nsdk: docker\n"])
def test_a_readme_without_front_matter_at_the_very_top_gives_an_empty_card(text):
    card = Card.read(text)

    assert {} == card.fields
    assert 7860 == card.app_port


def test_malformed_yaml_names_the_line():
    with pytest.raises(BadInput, match="line 3"):
        Card.read("---\nsdk: docker\ntitle: a: b\n---\n")


def test_front_matter_that_is_no_mapping_is_refused():
    with pytest.raises(BadInput, match="key: value"):
        Card.read("---\n- a\n---\n")


@pytest.mark.parametrize("port", ["seven", "0", "70000", "true", "[7860]"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(BadInput, match="app_port"):
        _ = Card.read(f"---\napp_port: {port}\n---\n").app_port


def test_a_port_in_quotes_counts():
    assert 8000 == Card.read('---\napp_port: "8000"\n---\n').app_port
