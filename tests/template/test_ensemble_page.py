"""The ensemble's page with many texts: whatever file they come in, and however long their words are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from spaceops.template import new
from tests.template.serving import App

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with App(new(tmp_path_factory.mktemp("ensemble") / "app", task="ensemble")) as app:
        yield app


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_texts_are_read_from_a_file_as_programs_write_it(app, open_page, encoding):
    page = open_page(app.url)
    content = "Très bien\r\nNaïve".encode(encoding)
    page.locator("#file").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": content})

    expect(page.get_by_label("Many texts, one on each line")).to_have_value("Très bien\nNaïve")
    expect(page.locator("#lines")).to_have_text("2 / 1,000 texts")


def test_a_long_word_leaves_the_labels_in_sight(app, open_page):
    page = open_page(app.url)
    page.get_by_label("Many texts, one on each line").fill(f"I love it\nhttps://example.com/{'x' * 500}")
    page.get_by_role("button", name="Ask about all").click()

    expect(page.locator("#rows tr").first.locator("td").last).to_be_in_viewport(ratio=1)
