"""A page whose work takes long: it shows how far it is, can be stopped, and finds its job again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from spaceops.template import new
from tests.template.serving import App

pytestmark = pytest.mark.browser

# As a big file would: the work goes on for as long as there is no file `go`.
SLOW = """

_analyze = analyze


def analyze(file, name, model, tell):
    while not Path("go").exists():
        tell(0.25, "Reading slowly")
        time.sleep(0.02)
    return _analyze(file, name, model, tell)
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """The csv app, whose jobs end when its folder gets a file `go`."""
    folder = new(tmp_path / "app", task="csv")
    with (folder / "tables" / "analysis.py").open("a") as analysis:
        analysis.write(SLOW)
    app = App(folder)
    app.start()
    yield app
    (folder / "go").touch()
    app.stop()


def job(page: Page):
    return page.get_by_role("region", name="Progress")


def report(page: Page):
    return page.get_by_role("region", name="Report")


def give(page: Page, name: str = "a.csv", content: bytes = b"x,y\n1,2\n3,4\n") -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def test_progress_is_shown_and_the_result_follows_by_itself(app, open_page):
    page = open_page(app.url)
    give(page)
    expect(job(page)).to_contain_text("Reading slowly")
    expect(job(page).get_by_role("progressbar")).to_have_js_property("value", 0.25)
    (app.folder / "go").touch()

    expect(report(page)).to_contain_text("a.csv")
    expect(job(page)).to_be_hidden()


def test_a_job_can_be_cancelled_and_another_one_started(app, open_page):
    page = open_page(app.url)
    give(page)
    job(page).get_by_role("button", name="Cancel").click()
    expect(page.locator("#notice")).to_have_text("Cancelled.")
    expect(job(page)).to_be_hidden()

    (app.folder / "go").touch()
    give(page, "b.csv")
    expect(report(page)).to_contain_text("b.csv")


def test_another_file_cancels_the_work_on_the_one_before(app, open_page):
    page = open_page(app.url)
    give(page)
    expect(job(page)).to_contain_text("Reading slowly")
    with page.expect_response(lambda response: response.request.method == "DELETE"):
        give(page, "b.csv")
    (app.folder / "go").touch()

    expect(report(page)).to_contain_text("b.csv")


def test_who_waits_knows_the_place_in_the_queue(app, open_page):
    first, second = open_page(app.url), open_page(app.url)
    give(first)
    expect(job(first)).to_contain_text("Reading slowly")
    give(second, "b.csv")
    expect(job(second)).to_contain_text("number 1 in the queue")
    job(first).get_by_role("button", name="Cancel").click()

    expect(job(second)).to_contain_text("Reading slowly")


def test_a_reload_finds_the_job_again_and_later_its_result(app, open_page):
    page = open_page(app.url)
    give(page)
    expect(job(page)).to_contain_text("Reading slowly")
    page.reload()
    expect(job(page)).to_contain_text("Reading slowly")
    (app.folder / "go").touch()
    expect(report(page)).to_contain_text("a.csv")

    page.reload()
    expect(report(page)).to_contain_text("a.csv")


def test_while_a_file_is_sent_a_reload_would_not_show_what_was_before(app, open_page):
    page = open_page(app.url)
    (app.folder / "go").touch()
    give(page)
    expect(report(page)).to_contain_text("a.csv")
    assert page.evaluate("() => sessionStorage.getItem('job')")

    page.route("**/jobs", lambda _: None)  # on its way for ever
    give(page, "b.csv")
    expect(job(page)).to_contain_text("Sending")
    assert page.evaluate("() => sessionStorage.getItem('job')") is None


def test_a_job_that_a_restart_lost_is_told(app, open_page):
    page = open_page(app.url)
    give(page)
    expect(job(page)).to_contain_text("Reading slowly")
    app.stop()
    expect(page.locator("#notice")).to_contain_text("This page goes on asking for your job")
    app.start()

    expect(page.locator("#notice")).to_contain_text("restarted")
    expect(job(page)).to_be_hidden()


def test_a_connection_that_comes_back_is_no_longer_told_to_be_lost(app, open_page):
    page = open_page(app.url)
    give(page)
    expect(job(page)).to_contain_text("Reading slowly")
    page.context.set_offline(True)
    expect(page.locator("#notice")).to_contain_text("You are offline. This page goes on asking for your job")
    page.context.set_offline(False)

    expect(page.locator("#notice")).to_be_empty()
    expect(job(page)).to_contain_text("Reading slowly")


def test_a_file_can_be_dropped_anywhere_on_the_page(app, open_page):
    (app.folder / "go").touch()
    page = open_page(app.url)
    files = page.evaluate_handle(
        """() => {
            const files = new DataTransfer();
            files.items.add(new File(["x,y\\n1,2\\n"], "dropped.csv", { type: "text/csv" }));
            return files;
        }"""
    )
    page.dispatch_event("h1", "drop", {"dataTransfer": files})

    expect(report(page)).to_contain_text("dropped.csv")


def test_the_same_file_can_be_chosen_again(app, open_page, tmp_path):
    (app.folder / "go").touch()
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    page = open_page(app.url)
    choose(page, tmp_path / "a.csv")
    expect(report(page)).to_contain_text("1 row")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,4\n")
    choose(page, tmp_path / "a.csv")

    expect(report(page)).to_contain_text("2 rows")


def test_what_cannot_be_read_is_refused_in_words(app, open_page, tmp_path):
    page = open_page(app.url)
    choose(page, tmp_path)

    expect(page.locator("#notice")).to_contain_text("cannot be read")
    expect(job(page)).to_be_hidden()


def choose(page: Page, path: Path) -> None:
    """As by hand, when the browser says nothing if it is what was chosen before."""
    with page.expect_file_chooser():
        page.locator("#file").click()
    devtools = page.context.new_cdp_session(page)
    field = devtools.send("Runtime.evaluate", {"expression": "document.getElementById('file')"})["result"]
    devtools.send("DOM.setFileInputFiles", {"files": [str(path)], "objectId": field["objectId"]})


def test_progress_comes_into_view(app, open_page):
    page = open_page(app.url, viewport={"width": 500, "height": 300})
    give(page)
    expect(job(page)).to_contain_text("Reading slowly")

    expect(job(page)).to_be_in_viewport(ratio=1)


def test_names_that_cannot_be_broken_stay_on_a_narrow_screen(app, open_page):
    (app.folder / "go").touch()
    page = open_page(app.url, viewport={"width": 320, "height": 640})
    give(page, f"{'file' * 20}.csv", b"%s,y\n%s,1\n%s,2\n" % (b"name" * 30, b"value" * 30, b"b" * 90))
    expect(report(page)).to_contain_text("filefile")

    assert 0 == page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    expect(report(page).get_by_role("columnheader", name="Missing").first).to_be_in_viewport()


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(app, open_page, tmp_path):
    (tmp_path / "big.csv").write_bytes(b"1\n" * 25_100_000)
    page = open_page(app.url)
    page.locator("#file").set_input_files(tmp_path / "big.csv")

    expect(page.locator("#notice")).to_have_text("big.csv has 50.2 MB; the most is 50.0 MB.")


def test_a_file_that_is_no_table_is_refused_in_words(app, open_page):
    page = open_page(app.url)
    give(page, "a.csv", b"\x89PNG\r\n\x1a\n" + bytes(1000))

    expect(page.locator("#notice .error")).not_to_be_empty()
    expect(job(page)).to_be_hidden()
