"""Each task's pages in Chromium: they do what they are for, for everybody, and ask nobody else for anything."""

from __future__ import annotations

import io
import json
import mimetypes
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from spaceops.tasks import TASKS
from spaceops.template import new
from tests.template.serving import App

pytestmark = pytest.mark.browser

RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"


def use_sentiment(page: Page) -> None:
    """Label a text of one's own, then an example."""
    page.get_by_label("Your text").fill("I love this place!")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#result")).to_contain_text("Positive")
    page.get_by_role("button", name="It broke after two days.").click()
    expect(page.locator("#result")).to_contain_text("Negative")
    expect(page.get_by_role("region", name="Earlier")).to_contain_text("I love this place!")


def use_image(page: Page) -> None:
    """Classify two of the examples."""
    page.get_by_role("button", name="A strawberry").click()
    expect(page.locator("#result")).to_contain_text("strawberry")
    page.get_by_role("button", name="A clock").click()
    expect(page.locator("#result")).to_contain_text("clock")


def use_csv(page: Page) -> None:
    """Have the example analyzed, and read the report."""
    page.get_by_role("button", name="four months of a coffee shop").click()
    report = page.get_by_role("region", name="Report")
    expect(report.get_by_role("heading", name="What stands out")).to_be_visible()
    expect(report.get_by_role("img", name=re.compile("How the numbers of price are distributed"))).to_be_visible()


def use_summarize(page: Page) -> None:
    """Have an example summarized."""
    page.get_by_role("button", name="The trams of Lindholm").click()
    expect(page.locator("#summary li")).to_have_count(5)


def use_ensemble(page: Page) -> None:
    """Ask all models about one text, then about several."""
    page.get_by_role("button", name="Not bad at all!").click()
    expect(page.locator("#result")).to_contain_text("Positive")
    page.get_by_label("Many texts, one on each line").fill("I love it.\nI hate it.")
    page.get_by_role("button", name="Ask about all").click()
    expect(page.get_by_role("region", name="All texts")).to_contain_text("I hate it.")


def use_chat(page: Page) -> None:
    """Ask something of one's own, then another thing, and see the whole answer."""
    page.get_by_label("Your message").fill("Are my messages stored?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Try again")).to_have_count(1)
    page.get_by_label("Your message").fill("What can you do?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".said.assistant").last).to_contain_text("knowledge.md")
    expect(page.get_by_role("button", name="Yes")).to_be_in_viewport()


USES: dict[str, Callable[[Page], None]] = {
    "sentiment": use_sentiment,
    "image": use_image,
    "csv": use_csv,
    "summarize": use_summarize,
    "ensemble": use_ensemble,
    "chat": use_chat,
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The address of a task's app, which is started when it is first asked for."""
    with ExitStack() as stack:
        urls: dict[str, str] = {}

        def running(task: str) -> str:
            if task not in urls:
                folder = new(tmp_path_factory.mktemp("app") / task, task=task)
                urls[task] = stack.enter_context(App(folder)).url
            return urls[task]

        yield running


EACH_TASK = pytest.mark.parametrize("task", TASKS)


@EACH_TASK
def test_the_page_does_what_it_is_for_and_names_the_back_end(running, open_page, task):
    page = open_page(running(task))
    backend = httpx2.get(f"{running(task)}/health", trust_env=False).json()["backend"]

    expect(page.locator("#backend.ready")).to_have_text(backend)
    USES[task](page)


@EACH_TASK
def test_axe_finds_nothing_before_and_after_use_in_light_and_dark(running, open_page, axe, task):
    page = open_page(running(task), reduced_motion="reduce")
    expect(page.locator("#backend.ready")).to_be_visible()
    assert [] == barriers(page, axe)
    USES[task](page)

    assert [] == barriers(page, axe)


@EACH_TASK
def test_axe_finds_nothing_in_the_page_of_the_api_in_light_and_dark(running, open_page, axe, task):
    page = open_page(f"{running(task)}/docs")
    open_all(page)

    assert [] == barriers(page, axe)


@EACH_TASK
def test_a_narrow_screen_needs_no_scrolling_sideways_and_fingers_find_everything(running, open_page, task):
    page = open_page(running(task), viewport={"width": 320, "height": 640})
    expect(page.locator("#backend.ready")).to_be_visible()
    USES[task](page)
    assert 0 == beyond_the_edge(page)
    assert [] == too_small(page)

    page.goto(f"{running(task)}/docs")
    open_all(page)
    assert 0 == beyond_the_edge(page)


@EACH_TASK
def test_every_operation_of_the_api_is_shown_and_can_be_tried(running, open_page, task):
    spec = httpx2.get(f"{running(task)}/openapi.json", trust_env=False).json()
    operations = [f"{method.upper()} {path}" for path, methods in spec["paths"].items() for method in methods]
    page = open_page(f"{running(task)}/docs")
    page.locator("details").first.wait_for()

    summaries = [re.sub(r"\s+", " ", text) for text in page.locator("summary").all_inner_texts()]
    assert len(operations) == len(summaries)
    assert all(shown.startswith(operation) for operation, shown in zip(operations, summaries, strict=True))
    health = page.locator("details", has=page.get_by_text("/health", exact=True))
    health.locator("summary").click()
    health.get_by_role("button", name="Send").click()
    expect(health.get_by_role("status")).to_contain_text('"status": "alive"')


@EACH_TASK
def test_answers_appear_where_a_screen_reader_listens_already(running, open_page, task):
    """What is read aloud is a change in a region that was shown before; or the focus goes to the answer."""
    page = open_page(running(task))
    listening = page.evaluate_handle(
        """[...document.querySelectorAll("[role=status], [role=log]")].filter(one => one.checkVisibility())"""
    )
    USES[task](page)
    result = page.locator("#result, #conversation").first.element_handle()

    assert page.evaluate(
        "([regions, result]) => regions.some(one => one.contains(result)) || result.contains(document.activeElement)",
        [listening, result],
    )


def test_a_large_picture_is_made_smaller_before_it_is_sent(running, open_page):
    page = open_page(running("image"))
    picture = io.BytesIO()
    Image.effect_noise((1600, 1200), 100).save(picture, "PNG")
    with page.expect_request("**/classify") as sent:
        page.locator("#file").set_input_files(upload("noise.png", picture.getvalue()))
    expect(page.locator("#labels li")).to_have_count(5)

    assert "image/jpeg" == sent.value.headers["content-type"]
    assert [1024, 768] == page.locator("#preview").evaluate("one => [one.width, one.height]")


def test_what_is_no_picture_is_refused_in_words(running, open_page):
    page = open_page(running("image"))
    page.locator("#file").set_input_files(upload("a.png", b"no picture"))

    expect(page.locator("#notice")).to_contain_text("Your browser cannot show this file")
    expect(page.locator("#preview")).to_be_hidden()


def test_a_picture_that_is_slow_to_read_does_not_take_the_place_of_a_later_one(running, open_page):
    page = open_page(running("image"))
    page.evaluate(
        """() => {
            const decode = window.createImageBitmap;
            window.createImageBitmap = async file => {
                if (file.name === "slow.png") await new Promise(resolve => (window.goOn = resolve));
                return decode(file).finally(() => (window.decoded = file.name));
            };
        }"""
    )
    for name, colour in (("slow.png", "red"), ("quick.png", "blue")):
        picture = io.BytesIO()
        Image.new("RGB", (40, 20), colour).save(picture, "PNG")
        page.locator("#file").set_input_files(upload(name, picture.getvalue()))
    expect(page.locator("#labels li")).to_have_count(5)
    page.evaluate("window.goOn()")
    page.evaluate("async () => { while (window.decoded !== 'slow.png') await new Promise(requestAnimationFrame) }")
    page.evaluate("() => new Promise(resolve => setTimeout(resolve))")  # what waited for it has its turn

    assert [0, 0, 255] == page.locator("#preview").evaluate(
        "one => [...one.getContext('2d').getImageData(5, 5, 1, 1).data].slice(0, 3)"
    )
    expect(page.locator("#result")).to_be_visible()


def test_what_is_dropped_without_its_file_is_not_passed_over_in_silence(running, open_page):
    """As the picture of another page, of which only the address comes."""
    page = open_page(running("image"))
    page.locator("#examples img").first.drag_to(page.locator("#drop"))

    expect(page.locator("#notice")).to_contain_text("paste it here")


def test_what_was_given_last_is_summarized_and_each_sentence_leads_to_its_place(running, open_page):
    page = open_page(running("summarize"))
    page.get_by_label("Your text").fill("Of the text. " * 9)
    page.locator("#file").set_input_files(upload("a.txt", b"Of the file. " * 9))
    expect(page.locator("#summary")).to_contain_text("Of the file.")
    page.get_by_label("Your text").fill("Now of the text. " * 9)
    page.get_by_role("button", name="Summarize").click()
    expect(page.locator("#summary")).to_contain_text("Now of the text.")

    page.locator("#summary a").last.click()
    expect(page.locator("mark").last).to_be_focused()


def test_a_summary_is_no_wider_than_its_page(running, open_page):
    page = open_page(running("summarize"), viewport={"width": 320, "height": 640})
    page.locator("#text").fill(f"The address is {'x' * 5000}. It is long. Few people type it.")
    page.get_by_role("button", name="Summarize").click()

    expect(page.locator("#summary")).to_contain_text("xxx")
    assert 0 == beyond_the_edge(page)


def test_texts_of_a_file_are_asked_about_and_all_answers_can_be_kept(running, open_page):
    page = open_page(running("ensemble"))
    page.locator("#file").set_input_files(upload("a.txt", b"I love it.\n\n  I hate it.\n"))
    expect(page.locator("#lines")).to_have_text("2 / 1,000 texts")
    page.get_by_role("button", name="Ask about all").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()

    assert "I hate it." in download.value.path().read_text("utf-8")


def test_a_report_can_be_kept_as_a_page(running, open_page):
    page = open_page(running("csv"))
    page.locator("#file").set_input_files(upload("mine.csv", b"x,y\n1,2\n"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Report as a page").click()

    assert "report.html" == download.value.suggested_filename
    assert "mine.csv" in download.value.path().read_text("utf-8")


def upload(name: str, content: bytes) -> FilePayload:
    """A file to choose."""
    return {"name": name, "mimeType": mimetypes.guess_type(name)[0] or "", "buffer": content}


# In one process what nginx puts together: the app's own pages, the operator's page, and what that asks.
TOGETHER = """
from pathlib import Path

import ops
from fastapi.responses import FileResponse

app.include_router(ops.create_app({}, socket="none", processes=Path("processes.json")).router)
app.add_api_route("/ops/", lambda: FileResponse("static/ops.html"))
"""
PROCESSES = [
    {"name": name, "pid": pid, "starts": 1 + 2 * (pid == 0), "started": 0} for name, pid in [("nginx", 1), ("app", 0)]
]


def test_the_page_of_the_operator_says_how_all_is_doing_on_every_screen(tmp_path, open_page, axe):
    folder = new(tmp_path / "app", extras=["nginx"])
    (folder / "processes.json").write_text(json.dumps(PROCESSES))
    with (folder / "main.py").open("a") as main:
        main.write(TOGETHER)
    with App(folder) as app:
        page = open_page(f"{app.url}/ops/", viewport={"width": 320, "height": 640})

        expect(page.get_by_role("status").first).to_have_text("The app does not answer")
        expect(page.get_by_role("row", name="app")).to_contain_text("down, will be started again")
        expect(page.get_by_role("row", name="app")).to_contain_text("2 times")
        assert 0 == beyond_the_edge(page)
        assert [] == barriers(page, axe)
        page.get_by_role("link", name="The app").click()
        expect(page.get_by_label("Your text")).to_be_visible()


def test_the_page_of_the_api_says_what_is_a_value_and_what_is_to_be_filled_in(running, open_page):
    page = open_page(f"{running('csv')}/docs", viewport={"width": 320, "height": 640})
    open_all(page)
    result = page.locator("details", has=page.get_by_text("/jobs/{job_id}/result", exact=True))

    expect(result.locator("pre").first).to_contain_text("/jobs/JOB_ID/result")
    expect(result.get_by_role("row", name="columns[].kind")).to_contain_text('"date" or "yes or no"')
    expect(page.locator("summary", has_text="How far a job is").locator("code").last).to_have_text("wait")
    type_column = result.get_by_role("columnheader", name="Type")
    type_column.scroll_into_view_if_needed()
    expect(type_column).to_be_in_viewport(ratio=0.9)
    assert 0 == result.locator(".scroll").first.evaluate("one => one.scrollLeft")


def test_the_page_of_the_api_says_what_a_parameter_is_and_its_default(running, open_page):
    page = open_page(f"{running('image')}/docs")
    open_all(page)
    field = page.get_by_label("top (query)")

    expect(field).to_have_accessible_description("integer of 1 to 20: How many labels")
    expect(field).to_have_attribute("placeholder", "5")


def test_the_command_shown_does_what_the_page_does(running, open_page, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    page = open_page(f"{running('sentiment')}/docs")
    analyze = page.locator("details", has=page.get_by_text("/analyze", exact=True))
    analyze.get_by_label("Body", exact=True).fill('{"text": "It\'s a \\"wonderful\\" $HOME, isn\'t it?"}')
    command = analyze.locator("pre").last.inner_text()
    analyze.get_by_role("button", name="Send").click()

    expect(analyze.get_by_role("status")).to_contain_text('"label": "POSITIVE"')
    assert '"label":"POSITIVE"' in run(command, tmp_path)


def test_a_file_is_sent_from_the_page_of_the_api_and_by_its_command(running, open_page, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    (tmp_path / "it's a table.csv").write_text("x,y\n1,2\n")
    page = open_page(f"{running('csv')}/docs")
    jobs = page.locator("details", has=page.get_by_text("/jobs", exact=True))
    jobs.get_by_label("file").set_input_files(tmp_path / "it's a table.csv")
    jobs.get_by_role("button", name="Send").click()

    expect(jobs.get_by_role("status")).to_contain_text('"status": "queued"')
    assert '"status":"queued"' in run(jobs.locator("pre").last.inner_text(), tmp_path)


def test_a_stream_is_shown_as_it_comes_and_by_its_command(running, open_page, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    page = open_page(f"{running('chat')}/docs")
    chat = page.locator("details", has=page.get_by_text("/chat", exact=True))
    chat.get_by_role("button", name="Send").click()

    expect(chat.get_by_role("status")).to_contain_text("text/event-stream")
    expect(chat.get_by_role("status")).to_contain_text("event: done")
    command = chat.locator("pre").last.inner_text()
    assert command.startswith("curl -N ")
    assert "event: done" in run(command, tmp_path)


def run(command: str, folder: Path) -> str:
    """What a command that a page shows prints in a terminal."""
    line = ["bash", "-c", f"{command} --silent --show-error --noproxy '*'"]
    done = subprocess.run(line, cwd=folder, text=True, capture_output=True, timeout=60)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def open_all(page: Page) -> None:
    """Unfold every operation of the API."""
    page.locator("details").first.wait_for()
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


def barriers(page: Page, axe: str) -> list[str]:
    """What axe-core finds in light and in dark: the rule, and the element that breaks it."""
    expect(page.locator("[aria-busy=true]")).to_have_count(0)  # pale on purpose
    page.evaluate(axe)
    broken = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        broken += page.evaluate(f"axe.run({RULES})")["violations"]
    return [f"{rule['id']}: {node['html']}: {node['failureSummary']}" for rule in broken for node in rule["nodes"]]


def beyond_the_edge(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def too_small(page: Page) -> list[str]:
    """The fields and buttons of less than 24 pixels, which WCAG 2.2 wants for fingers."""
    return page.evaluate(
        """[...document.querySelectorAll("button, input, textarea, select")]
            .filter(one => one.checkVisibility() && one.getBoundingClientRect().height < 24)
            .map(one => one.outerHTML)"""
    )
