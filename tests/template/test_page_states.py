"""The page while not all is well: loading, failed, busy, locked, offline, in a frame, below a path."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Error, Page, expect

from spaceops.template import new
from tests.template.serving import App

pytestmark = pytest.mark.browser

# As its owner might change the app: a model that loads when there is a file `go`, as a big one when it is downloaded.
SLOW = """
import time
from pathlib import Path


class Slow(Vader):
    def load(self):
        while not Path("go").exists():
            time.sleep(0.02)
        if reason := Path("go").read_text():
            raise OSError(reason)
        super().load()


def choose(environ):
    return Slow()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new(tmp_path / "app")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app that nothing happens to."""
    with App(new(tmp_path_factory.mktemp("well") / "app")) as app:
        yield app


@pytest.fixture
def slow(folder: Path) -> Iterator[App]:
    """An app whose model loads when its folder gets a file `go`, or fails for the reason that is in the file."""
    with (folder / "models.py").open("a") as models:
        models.write(SLOW)
    app = App(folder)
    app.start(until="health")
    yield app
    app.stop()


def analyze(page: Page, text: str) -> None:
    page.get_by_label("Your text").fill(text)
    page.get_by_role("button", name="Analyze").click()


def result(page: Page):
    return page.get_by_role("region", name="Result")


def notice(page: Page):
    return page.locator("#notice")


def test_while_the_model_loads_the_page_says_so_and_sends_what_was_asked_when_it_has_loaded(slow, open_page):
    page = open_page(slow.url)
    expect(page.locator("#backend")).to_have_text(re.compile("is loading"))
    analyze(page, "I love it!")
    expect(notice(page)).to_contain_text("Trying again in")
    (slow.folder / "go").touch()

    expect(result(page)).to_contain_text("Positive")
    expect(notice(page)).to_be_empty()
    expect(page.locator("#backend.ready")).to_be_visible()


def test_waiting_can_be_given_up_and_the_text_stays(slow, open_page):
    page = open_page(slow.url)
    analyze(page, "I love it!")
    page.get_by_role("button", name="Stop trying").click()

    expect(notice(page)).to_contain_text("Nothing was lost")
    expect(page.get_by_label("Your text")).to_have_value("I love it!")
    expect(result(page)).to_be_hidden()


def test_a_model_that_cannot_be_loaded_is_told_with_the_reason(slow, open_page):
    page = open_page(slow.url)
    analyze(page, "I love it!")
    expect(notice(page)).to_contain_text("Trying again in")
    (slow.folder / "go").write_text("no such model")

    expect(page.locator("#backend.failed")).to_be_visible()
    expect(notice(page)).to_contain_text("could not be loaded. no such model")
    analyze(page, "I love it!")
    expect(notice(page)).to_contain_text("could not be loaded. no such model")


def test_who_asks_too_often_is_served_a_little_later_without_asking_again(folder, open_page):
    with App(folder, RATE_LIMIT="30") as app:
        page = open_page(app.url)
        expect(page.locator("#backend.ready")).to_be_visible()
        while 429 != httpx2.post(f"{app.url}/analyze", json={"text": "x"}, trust_env=False).status_code:
            pass
        analyze(page, "I love it!")

        expect(notice(page)).to_contain_text("Too many requests")
        expect(result(page)).to_contain_text("Positive")


def test_the_token_is_asked_for_and_kept_for_the_tab(folder, open_page):
    with App(folder, API_TOKEN="a-secret-token") as app:
        page = open_page(app.url)
        analyze(page, "I love it!")
        page.get_by_label("The token of this app").fill("wrong-token")
        page.keyboard.press("Enter")
        expect(page.get_by_label("not accepted")).to_be_focused()
        page.get_by_label("not accepted").fill("a-secret-token")
        page.get_by_role("button", name="Go on").click()
        expect(result(page)).to_contain_text("Positive")
        expect(page.get_by_role("button", name="Analyze")).to_be_focused()

        page.reload()
        analyze(page, "I hate it!")
        expect(result(page)).to_contain_text("Negative")

        page.get_by_role("link", name="API").click()
        expect(page.locator("details").first).to_contain_text('-H "Authorization: Bearer $API_TOKEN"')
        assert "a-secret-token" not in page.content()


def test_where_the_browser_stores_nothing_the_token_holds_until_the_page_is_left(folder, chromium, launch, tmp_path):
    """So it is in a frame on another site, if visitors forbid that site's cookies."""
    settings = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "user/Default").mkdir(parents=True)
    (tmp_path / "user/Default/Preferences").write_text(json.dumps(settings))
    with App(folder, API_TOKEN="a-secret-token") as app:
        context = chromium.browser_type.launch_persistent_context(tmp_path / "user", **launch)
        page = context.new_page()
        page.goto(app.url)
        with pytest.raises(Error, match="denied"):
            page.evaluate("sessionStorage.length")
        analyze(page, "I love it!")
        page.get_by_label("The token of this app").fill("a-secret-token")
        page.keyboard.press("Enter")
        expect(result(page)).to_contain_text("Positive")
        analyze(page, "I hate it!")
        expect(result(page)).to_contain_text("Negative")
        context.close()


def test_an_app_that_is_away_is_told_and_found_again(folder, open_page):
    app = App(folder)
    app.start()
    page = open_page(app.url)
    expect(page.locator("#backend.ready")).to_be_visible()
    app.stop()
    analyze(page, "I love it!")
    expect(notice(page)).to_contain_text("The app does not answer")
    expect(page.locator("#backend")).to_have_text("Waiting for the app…")
    with app:
        expect(page.locator("#backend.ready")).to_be_visible()
        page.get_by_role("button", name="Analyze").click()
        expect(result(page)).to_contain_text("Positive")


def test_the_model_is_found_again_when_a_proxy_in_between_has_answered(app, open_page):
    """As nginx does while the app restarts, in the shape of the app's own errors."""
    page = open_page(f"{app.url}/health")
    refusal = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "The app is starting."}
    page.route("**/ready", lambda route: route.fulfill(status=503, json=refusal), times=1)
    page.goto(app.url)

    expect(page.locator("#backend")).to_have_text("Waiting for the app…")
    expect(page.locator("#backend.ready")).to_be_visible()


def test_offline_is_told(app, open_page):
    page = open_page(app.url)
    expect(page.locator("#backend.ready")).to_be_visible()
    page.context.set_offline(True)
    analyze(page, "I love it!")

    expect(notice(page)).to_contain_text("You are offline")


@pytest.mark.parametrize(("text", "words"), [("  ", "Write something first"), ("a" * 5001, "too long")])
def test_a_text_that_cannot_be_analyzed_is_refused_at_once(app, open_page, text, words):
    page = open_page(app.url)
    analyze(page, text)

    expect(notice(page)).to_contain_text(words)
    expect(page.get_by_label("Your text")).to_be_focused()


def test_the_page_knows_the_limit_of_the_app(app, open_page):
    """Emoji are one character each for the app and two for JavaScript."""
    page = open_page(app.url)
    analyze(page, "😀" * 5000)
    expect(result(page)).to_be_visible()

    answer = httpx2.post(f"{app.url}/analyze", json={"text": "😀" * 5001}, trust_env=False)
    assert 422 == answer.status_code


def test_it_can_be_used_by_keyboard_alone(app, open_page):
    page = open_page(app.url)
    press_until(page, "Tab", "#text")
    page.keyboard.type("I love it!")
    press_until(page, "Tab", "form button")
    page.keyboard.press("Enter")
    expect(result(page)).to_contain_text("Positive")
    press_until(page, "Tab", "#feedback button")
    page.keyboard.press("Enter")

    expect(page.locator("#feedback")).to_contain_text("Right so far: 1 of 1")
    expect(page.locator("#feedback :focus")).to_be_visible()


def press_until(page: Page, key: str, selector: str) -> None:
    for _ in range(12):
        page.keyboard.press(key)
        if page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"{selector} cannot be reached")


def test_an_answer_to_another_text_does_not_stay_where_there_is_none(app, open_page):
    page = open_page(app.url)
    analyze(page, "I love it!")
    expect(result(page)).to_contain_text("Positive")
    page.context.set_offline(True)
    analyze(page, "I hate it!")

    expect(notice(page)).to_contain_text("You are offline")
    expect(result(page)).to_be_hidden()


def test_an_answer_that_is_late_does_not_take_the_place_of_a_newer_one(app, open_page):
    page = open_page(app.url)
    page.route("**/analyze", lambda _: None, times=1)  # on its way for ever
    analyze(page, "I love it!")
    with page.expect_event("requestfailed"):  # the page has given it up
        analyze(page, "I hate it!")

    expect(result(page)).to_contain_text("Negative")


def test_a_double_click_is_one_opinion(folder, open_page):
    with App(folder) as app:
        page = open_page(app.url)
        analyze(page, "I love it!")
        result(page).get_by_role("button", name="Yes").dblclick()

        expect(page.locator("#feedback")).to_contain_text("Right so far: 1 of 1")


def test_a_text_is_shown_in_the_direction_of_its_language(app, open_page):
    page = open_page(app.url)
    for text in ("هذا المكان رائع (love).", "I love it!"):
        analyze(page, text)
        expect(result(page)).to_contain_text("Positive")

    earlier = page.get_by_role("region", name="Earlier").locator(".cut")
    assert "rtl" == earlier.evaluate("one => getComputedStyle(one).direction")


def test_where_the_system_gives_the_colours_bars_are_still_seen(app, open_page):
    page = open_page(app.url, forced_colors="active")
    analyze(page, "I love it!")
    expect(result(page)).to_contain_text("Positive")
    colours = (
        result(page)
        .locator(".bar, .bar > div")
        .evaluate_all("all => all.map(one => getComputedStyle(one).backgroundColor)")
    )

    assert 2 == len(set(colours))


def test_a_text_is_never_markup(app, open_page):
    page = open_page(app.url)
    text = "<img src=x onerror=alert(1)> I love it!"
    analyze(page, text)
    expect(result(page)).to_contain_text("Positive")
    analyze(page, "I hate it!")

    expect(page.get_by_role("region", name="Earlier")).to_contain_text(text)
    assert 0 == page.locator("main img").count()


# in frames and below paths

FRAME = "<!doctype html><title>Outside</title><iframe title=app width=900 height=800 src={url}></iframe>"


@pytest.fixture
def framed(app: App, chromium) -> Iterator[Callable[[str], Page]]:
    """Open a page of another origin, made up here, that shows the app in a frame."""
    context = chromium.new_context()

    def framed(outside: str) -> Page:
        page = context.new_page()
        page.route(
            f"{outside}/**", lambda route: route.fulfill(body=FRAME.format(url=app.url), content_type="text/html")
        )
        page.goto(f"{outside}/")
        return page

    yield framed
    context.close()


def test_it_works_in_the_frame_of_the_hub(framed):
    page = framed("https://huggingface.co").frame_locator("iframe")
    page.get_by_label("Your text").fill("I love it!")
    page.get_by_role("button", name="Analyze").click()

    expect(page.locator("#result")).to_contain_text("Positive")


def test_nobody_else_may_put_it_into_a_frame(framed):
    page = framed("http://localhost:1")

    expect(page.frame_locator("iframe").locator("#form")).to_have_count(0)
    assert "chrome-error" in page.frames[1].url


def test_below_a_path_of_a_proxy_all_addresses_hold(app, chromium):
    context = chromium.new_context()
    page = context.new_page()
    page.route(f"{app.url}/**", lambda route: forward(route, app.url))
    page.goto(f"{app.url}/spaces/me/")
    analyze(page, "I love it!")
    expect(result(page)).to_contain_text("Positive")
    page.get_by_role("link", name="API").click()
    page.get_by_role("button", name="Send").first.click()

    expect(page.get_by_role("status").filter(has_text="POSITIVE")).to_be_visible()
    context.close()


def forward(route, url: str) -> None:
    """As a proxy that has the app below /spaces/me/, and nothing elsewhere."""
    path = route.request.url.removeprefix(url)
    if path.startswith("/spaces/me/"):
        route.continue_(url=url + path.removeprefix("/spaces/me"))
    else:
        route.fulfill(status=404)
