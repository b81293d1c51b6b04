"""The page of a conversation: the answer appears as it is written, can be stopped and tried again, and is not lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from spaceops.template import new
from tests.template.serving import App

pytestmark = pytest.mark.browser

# As a large model would: after the first word it goes on only when there is a file `go`.
SLOW = """

_write = write


def write(reply, text):
    import time

    first, _, rest = text.partition(" ")
    reply.write(f"{first} ")
    while not Path("go").exists() and not reply.over:
        time.sleep(0.02)
    return _write(reply, rest)
"""
QUESTION = "Are my messages stored?"
BEGINNING, END = "Your", "(From “Privacy”.)"
BLANK = """event: token
data: {"text": " \\n"}

event: done
data: {"backend": "small", "finish": "stop", "new_tokens": 1, "left_out": 0, "seconds": 0.1}

"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = new(tmp_path_factory.mktemp("chat") / "app", task="chat")
    with (folder / "models.py").open("a") as models:
        models.write(SLOW)
    with App(folder) as app:
        yield app


@pytest.fixture
def app(running: App) -> Iterator[App]:
    """The app, whose answers wait for a file `go`."""
    (running.folder / "go").unlink(missing_ok=True)
    yield running
    (running.folder / "go").touch()


def ask(page: Page, question: str = QUESTION) -> None:
    page.get_by_label("Your message").fill(question)
    page.keyboard.press("Enter")


def said(page: Page):
    """The last thing that was said."""
    return page.locator(".said").last


def button(page: Page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def test_the_answer_appears_as_it_is_written(app, open_page):
    page = open_page(app.url)
    ask(page)
    expect(said(page)).to_contain_text(BEGINNING)
    expect(said(page)).to_have_attribute("aria-busy", "true")
    expect(said(page)).not_to_contain_text(END)
    (app.folder / "go").touch()

    expect(said(page)).to_contain_text(END)
    expect(said(page)).to_contain_text("knowledge.md, 41 tokens")
    expect(said(page)).not_to_have_attribute("aria-busy", "true")


@pytest.mark.parametrize("how", ["button", "Escape"])
def test_stop_keeps_what_was_written_and_it_can_be_tried_again(app, open_page, how):
    page = open_page(app.url)
    ask(page)
    expect(said(page)).to_contain_text(BEGINNING)
    button(page, "Stop").click() if how == "button" else page.keyboard.press(how)

    expect(said(page)).to_contain_text("Stopped.")
    expect(said(page)).to_contain_text(BEGINNING)
    (app.folder / "go").touch()
    button(page, "Try again").click()
    expect(said(page)).to_contain_text(END)
    expect(page.locator(".said")).to_have_count(2)


def test_who_waits_sees_the_position_in_the_line(app, open_page):
    first, second, third = (open_page(app.url) for _ in range(3))
    ask(first)
    expect(said(first)).to_contain_text(BEGINNING)
    ask(second)
    expect(said(second)).to_contain_text("Waiting: number 1 in the queue")
    ask(third)
    expect(said(third)).to_contain_text("Waiting: number 2 in the queue")
    button(second, "Stop").click()
    (app.folder / "go").touch()

    expect(said(third)).to_contain_text(END)
    expect(said(second)).to_contain_text("Stopped.")


def test_shift_and_enter_break_the_line(app, open_page):
    (app.folder / "go").touch()
    page = open_page(app.url)
    page.get_by_label("Your message").fill("Are my messages")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("stored?")
    page.keyboard.press("Enter")

    expect(page.locator(".said.user .text")).to_have_text("Are my messages\nstored?")
    expect(said(page)).to_contain_text(END)


def test_the_conversation_is_there_after_a_reload_until_a_new_one_begins(app, open_page):
    (app.folder / "go").touch()
    page = open_page(app.url)
    ask(page)
    expect(said(page)).to_contain_text(END)
    page.reload()

    expect(said(page)).to_contain_text(END)
    expect(button(page, "Try again")).to_be_visible()
    button(page, "New chat").click()
    expect(page.locator(".said")).to_have_count(0)
    expect(button(page, "What can you do?")).to_be_visible()


def test_a_question_without_an_answer_can_be_asked_again_after_a_reload(app, open_page):
    page = open_page(app.url)
    ask(page)
    expect(said(page)).to_contain_text(BEGINNING)
    page.reload()
    (app.folder / "go").touch()
    button(page, "Try again").click()

    expect(said(page)).to_contain_text(END)


def test_a_new_chat_begins_also_while_an_answer_is_written(app, open_page):
    page = open_page(app.url)
    ask(page)
    expect(said(page)).to_contain_text(BEGINNING)
    button(page, "New chat").click()

    expect(button(page, "What can you do?")).to_be_visible()
    expect(page.locator(".said")).to_have_count(0)


def test_stop_also_ends_the_wait_for_another_try(app, open_page):
    page = open_page(app.url)
    busy = {"status": 503, "headers": {"Retry-After": "20"}, "json": {"status": 503, "detail": "Too many wait."}}
    page.route("**/chat", lambda route: route.fulfill(**busy))
    ask(page)
    expect(page.locator("#notice")).to_contain_text("Trying again in")
    button(page, "Stop").click()

    expect(said(page)).to_contain_text("Stopped.")
    expect(page.locator("#notice")).to_be_empty()


def test_of_a_long_conversation_the_last_messages_are_sent(app, open_page):
    (app.folder / "go").touch()
    page = open_page(app.url)
    before = [{"role": role, "content": QUESTION} for role in ("user", "assistant") * 60]
    page.evaluate("before => sessionStorage.setItem('conversation', before)", json.dumps(before))
    page.reload()
    ask(page)

    expect(said(page)).to_contain_text(END)
    expect(page.locator(".said")).to_have_count(122)


def test_an_answer_that_breaks_off_says_so_and_can_be_tried_again(app, open_page):
    page = open_page(app.url)
    ask(page)
    expect(said(page)).to_contain_text(BEGINNING)
    app._process.kill()
    app.stop()

    expect(page.locator("#notice")).to_contain_text("The answer broke off.")
    (app.folder / "go").touch()
    app.start()
    button(page, "Try again").click()
    expect(said(page)).to_contain_text(END)


def test_another_question_takes_the_place_of_one_without_an_answer(app, open_page):
    page = open_page(app.url)
    ask(page, "What is this?")
    expect(page.locator(".said")).to_have_count(2)
    page.reload()
    (app.folder / "go").touch()
    ask(page)

    expect(said(page)).to_contain_text(END)
    expect(page.locator(".said.user")).to_have_text("You: Are my messages stored?")


def test_a_conversation_goes_on_after_an_answer_of_blanks(app, open_page):
    (app.folder / "go").touch()
    page = open_page(app.url)
    page.route("**/chat", lambda route: route.fulfill(body=BLANK, content_type="text/event-stream"), times=1)
    ask(page)
    expect(said(page)).to_contain_text("There is no answer. small, 1 token, 100 ms")
    ask(page)

    expect(said(page)).to_contain_text(END)


def test_who_waits_when_the_app_dies_is_not_told_to_wait_any_longer(app, open_page):
    first, second = open_page(app.url), open_page(app.url)
    ask(first)
    expect(said(first)).to_contain_text(BEGINNING)
    ask(second)
    expect(said(second)).to_contain_text("Waiting: number 1 in the queue")
    app._process.kill()
    app.stop()

    expect(said(second)).to_contain_text("There is no answer.")
    expect(said(second)).not_to_contain_text("Waiting")
    app.start()


def test_answers_on_the_page_may_be_as_long_as_the_app_allows(app, open_page):
    (app.folder / "go").touch()
    page = open_page(app.url)
    with page.expect_request("**/chat") as asked:
        ask(page)

    assert 1024 == asked.value.post_data_json["max_new_tokens"]


def test_a_conversation_goes_on_after_an_answer_longer_than_a_message_may_be(app, open_page):
    (app.folder / "go").touch()
    page = open_page(app.url)
    before = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "🙂" * 9000}]
    page.evaluate("before => sessionStorage.setItem('conversation', before)", json.dumps(before))
    page.reload()
    ask(page)

    expect(said(page)).to_contain_text(END)
