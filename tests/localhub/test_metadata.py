"""What the Hub says of a README.md: what it refuses, what it shows, and that nothing in one brings it down."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from huggingface_hub import HfApi
from hypothesis import given
from hypothesis import strategies as st

from spaceops.localhub.metadata import LARGEST_FRONT_MATTER, SPACE_RULES, problems, shown_card, warnings
from tests.localhub.conftest import Asker, ndjson


def readme(block: str) -> str:
    return f"---\n{block}\n---\n# Demo\n"


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("colorFrom: orange", '"colorFrom" must be one of [red, yellow, green, blue, indigo, purple, pink, gray]'),
        ('colorTo: "#FF6200"', '"colorTo" must be one of [red, yellow, green, blue, indigo, purple, pink, gray]'),
        (
            f"short_description: {'x' * 61}",
            '"short_description" length must be less than or equal to 60 characters long',
        ),
        ("license: gpl-2.0-or-later", '"license" must be one of [apache-2.0, mit, openrail'),
        ("license: [mit, mine]", '"license" must be one of ['),
        ("sdk: flask", '"sdk" must be one of [gradio, docker, static]'),
        ("title: [a]", '"title" must be a string'),
        ("app_port: seven", '"app_port" must be a number'),
        ("app_port: 70000", '"app_port" must be a number'),
        ("app_port: ¹", '"app_port" must be a number'),
        ("emoji: rocket", '"emoji" must be an emoji'),
        ("emoji: ':rocket:'", '"emoji" must be an emoji'),
        ("emoji: ðŸš€", '"emoji" must be an emoji'),
        ("suggested_hardware: h100", '"suggested_hardware" must be one of [cpu-basic'),
        ("startup_duration_timeout: soon", '"startup_duration_timeout" must be a duration'),
        ("custom_headers: {x-mine: yes}", '"custom_headers" must map'),
        ("pinned: maybe", '"pinned" must be a boolean'),
        ("tags: demo", '"tags" must be an array'),
        ("title: a: b", "not valid YAML"),
        ("title: @me", "not valid YAML"),
        ("title: a\ntitle: b", "not valid YAML"),
        ("title:\tx\n\ty: z", "not valid YAML"),
        ("- a\n- b", "must be `key: value` lines"),
        ("x: 2020-99-99", "not valid YAML"),
        ("x: !!bool x", "not valid YAML"),
        ("x: " + "9" * 5000, "not valid YAML"),
        ("x: " + "[" * 2000, "not valid YAML"),
    ],
)
def test_front_matter_that_the_hub_refuses(block: str, said: str) -> None:
    (problem,) = problems(readme(block), "space")

    assert said in problem


@pytest.mark.parametrize(
    "block",
    [
        "title: Demo\nemoji: 🚀\ncolorFrom: blue\ncolorTo: gray\nsdk: docker\napp_port: 7860\npinned: false",
        f"short_description: {'é' * 60}",
        "license: mit",
        "license: [mit, cc-by-4.0]",
        "emoji: 👩🏽‍🚀",
        "emoji: 🇫🇷",
        "emoji: 1️⃣",
        "emoji: ''",
        "suggested_hardware: t4-small\nstartup_duration_timeout: 1h\ntags: [a]\nmodels: [a/b]",
        "custom_headers: {cross-origin-embedder-policy: require-corp}",
        "python_version: 3.10\nwhatever: they like",
        "",
    ],
)
def test_front_matter_that_the_hub_takes(block: str) -> None:
    assert [] == problems(readme(block) if block else "# No front matter\n", "space")


def test_only_a_space_has_the_rules_of_spaces() -> None:
    assert [] == problems(readme("colorFrom: orange\ntags: a"), "model")
    assert problems(readme("license: mine"), "dataset")


@pytest.mark.parametrize(
    "text", ["# Demo\n", "", "\n---\nsdk: docker\n---\n", "\ufeff---\nsdk: docker\n---\n", "---\nsdk: x"]
)
def test_front_matter_that_is_not_at_the_very_top_is_none(text: str) -> None:
    assert ["empty or missing yaml metadata in repo card"] == warnings(text)


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted({key for key, _, _ in SPACE_RULES} | {"license"})), YAML))
def test_values_of_every_kind_are_judged_and_shown(fields: dict[str, Any]) -> None:
    """JSON is YAML, nearly: whatever comes of it, it is an answer."""
    text = readme(msgspec.json.encode(fields).decode())

    said = problems(text, "space")

    assert all(problem.isprintable() for problem in said)
    assert isinstance(msgspec.json.encode(shown_card(text)), bytes)


@given(st.text(st.characters() | st.sampled_from("-:[]{}&*!|>#'\"%@\n\t <0x.~")))
def test_no_text_brings_it_down(text: str) -> None:
    assert isinstance(problems(readme(text), "space"), list)
    assert isinstance(msgspec.json.encode(shown_card(readme(text))), bytes)


def unfolding(how: str) -> str:
    """Front matter of some hundred bytes that means millions of values."""
    levels = [f"a{level}: &a{level} {how.replace('PREVIOUS', f'*a{level - 1}')}" for level in range(1, 30)]
    return "\n".join(["a0: &a0 {x: y}", *levels])


@pytest.mark.parametrize(
    "block",
    [
        unfolding("[PREVIOUS, PREVIOUS, PREVIOUS]"),
        unfolding("{k: PREVIOUS, l: PREVIOUS}"),
        unfolding("{<<: [PREVIOUS, PREVIOUS, PREVIOUS]}"),
        unfolding("[PREVIOUS, PREVIOUS]") + "\n? *a29\n: x",
        "a: &a [*a]",
        "\n".join(f"k{number}: x" for number in range(LARGEST_FRONT_MATTER)),
    ],
    ids=["lists", "maps", "merges", "key", "itself", "long"],
)
def test_front_matter_that_unfolds_without_end_takes_no_time(block: str) -> None:
    begun = time.monotonic()

    problems(readme(block), "space")

    assert len(msgspec.json.encode(shown_card(readme(block)))) < 1_000_000
    assert time.monotonic() - begun < 10


def test_the_client_is_told_before_it_uploads(api: HfApi, space: str) -> None:
    content = readme("sdk: docker\ncolorFrom: teal").encode()

    with pytest.raises(ValueError, match=r'Invalid metadata in README.md.\n- "colorFrom" must be one of'):
        api.upload_file(path_or_fileobj=content, path_in_repo="README.md", repo_id=space, repo_type="space")


def test_a_commit_and_the_question_before_it_have_the_same_rules(api: HfApi, ask: Asker, space: str) -> None:
    before = api.space_info(space).sha
    text = readme("license: mine\nemoji: x")
    asked = ask("POST", "/api/validate-yaml", json={"content": text, "repoType": "space"})
    change = ("file", {"path": "README.md", "content": text, "encoding": "utf-8"})

    answer = ask("POST", f"/api/spaces/{space}/commit/main", content=ndjson(("header", {"summary": "x"}), change))

    messages = [error["message"] for error in asked.json()["errors"]]
    assert 2 == len(messages)
    assert (400, 400) == (asked.status_code, answer.status_code)
    assert all(message in answer.json()["error"] for message in messages)
    assert before == api.space_info(space).sha


def test_half_a_character_in_a_card_does_not_break_the_page_of_its_space(api: HfApi, ask: Asker, space: str) -> None:
    text = readme('sdk: docker\ntitle: "\\ud800"\n"\\udfff": x\n? [a]\n: b')
    change = ("file", {"path": "README.md", "content": text, "encoding": "utf-8"})
    ask("POST", f"/api/spaces/{space}/commit/main", content=ndjson(("header", {"summary": "x"}), change))

    assert "?" == ask("GET", f"/api/spaces/{space}").json()["cardData"]["title"]


def test_the_question_needs_no_token(ask: Asker) -> None:
    answer = ask("POST", "/api/validate-yaml", token=None, json={"content": "# x", "repoType": "model"})

    assert {"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]} == answer.json()
