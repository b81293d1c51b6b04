"""Logs and following, against a server that breaks connections in every way that we know of."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops import errors
from spaceops.events import Event, follow, logs
from spaceops.hub import Hub
from spaceops.loglines import Frames, Gap, Line, Memory, Probe, Replay
from spaceops.logstream import TRIES, Pace, Timing
from spaceops.secret import Secret
from tests.log_server import KEEP_ALIVE, Answer, LogServer, frame, frames

SPACE = "demo/app"
OLD, NEW = "0" * 40, "1" * 40
# requests as fast as the server answers; what waits for silence waits as long as in earnest
FAST = Timing(request=0.002, pause=0.05, grace=0.3)
NEVER = 60.0  # a test that had to wait so long would take too long to be overlooked


@pytest.fixture
def server():
    with LogServer() as server:
        yield server


@pytest.fixture
def hub(server):
    return Hub(server.url, token="hf_" + "a" * 30)


def texts(events) -> list[str]:
    return [event.text for event in events]


def lines(count: int, start: int = 0) -> list[str]:
    return [f"line {number} of the log" for number in range(start, start + count)]


def take_all(events, got: list[Event]) -> None:
    """Append each event, so that those before an error are kept."""
    for event in events:
        got.append(event)  # noqa: PERF402 - extend() would drop what came before the error


def read_to_the_end(hub, server, **options) -> list[Event]:
    """All that following brings of the log of a Space that is paused."""
    server.runtimes = deque([{"stage": "PAUSED"}])
    return list(logs(SPACE, hub, follow=True, timing=FAST, **options))


# events


def test_what_an_app_prints_cannot_act_on_the_terminal():
    event = Event("run", "\x1b]0;title\x07\tred \x1b[31m\u202eback\x9b\r", "2026-01-31T21:54:36.5Z")

    assert "21:54:36 run   \\x1b]0;title\\x07\tred \\x1b[31m\\u202eback\\x9b\\x0d" == str(event)


def test_an_event_is_a_json_line():
    event = Event("build", "--> RUN pip", "2026-01-31T21:54:36Z")

    assert {"ts": "2026-01-31T21:54:36Z", "event": "build", "text": "--> RUN pip"} == event.as_dict()


# a log that is not followed


@pytest.mark.parametrize(
    "answer", [Answer(), Answer(end="hold", keep_alive=True)], ids=["end of stream", "keep-alive after the replay"]
)
def test_logs_come_back_at_once_when_the_server_shows_where_they_end(server, hub, answer):
    server.write("run", frames(1000))
    server.answers["run"] = deque([answer])

    got = list(logs(SPACE, hub, timing=Timing(first_line=NEVER, silence=NEVER)))

    assert lines(1000) == texts(got)
    assert "2026-01-31T21:54:36.000333Z" == got[-1].timestamp


def test_logs_come_back_at_a_line_that_was_written_after_the_request(server, hub):
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    server.write("run", [*frames(3), frame("later", later)])
    server.answers["run"] = deque([Answer(end="hold")])

    assert lines(3) == texts(logs(SPACE, hub, timing=Timing(first_line=NEVER, silence=NEVER)))


def test_logs_come_back_after_a_silence(server, hub):
    server.write("build", frames(3))
    server.answers["build"] = deque([Answer(end="hold")])

    assert lines(3) == texts(logs(SPACE, hub, build=True, timing=Timing(first_line=NEVER)))


@pytest.mark.parametrize("keep_alive", [True, False])
def test_an_empty_log_that_stays_open_is_waited_for_a_little(server, hub, keep_alive):
    server.answers["run"] = deque([Answer(end="hold", keep_alive=keep_alive)])
    waits = {"first_line": NEVER, "silence": 0.1} if keep_alive else {"first_line": 0.1, "silence": NEVER}

    assert [] == list(logs(SPACE, hub, timing=Timing(**waits)))


def test_logs_survive_a_cut_too(server, hub):
    server.write("run", frames(3000))
    server.answers["run"] = deque([Answer(cut=100_001), Answer()])

    assert lines(3000) == texts(logs(SPACE, hub, timing=FAST))


@pytest.mark.parametrize("heeded", [True, False])
def test_tail_is_the_number_of_lines_whether_the_server_knows_it_or_not(server, hub, heeded):
    server.write("run", frames(50))
    server.answers["run"] = deque([Answer(heeds_tail=heeded)])

    assert lines(4, start=46) == texts(logs(SPACE, hub, tail=4))
    assert ["/api/spaces/demo/app/logs/run?tail=4"] == server.paths("/logs/")


def test_a_server_that_refuses_tail_is_asked_for_everything(server, hub):
    server.write("run", frames(50))
    server.answers["run"] = deque([Answer(status=400), Answer()])

    assert lines(4, start=46) == texts(logs(SPACE, hub, tail=4, timing=FAST))


def test_tail_counts_the_lines_that_since_and_grep_let_through(server, hub):
    server.write("run", frames(100, per_time=1))

    assert ["line 71 of the log", "line 81 of the log"] == texts(
        logs(SPACE, hub, grep=r"line \d?1 ", since="2026-01-31T21:54:36.00003Z", tail=3)
    )[:2]


def test_since_takes_how_long_ago(server, hub):
    now = datetime.now(UTC)
    stamps = [(now - timedelta(minutes=ago)).isoformat().replace("+00:00", "Z") for ago in (20, 5)]
    server.write("run", [frame("old", stamps[0]), frame("new", stamps[1])])

    assert ["new"] == texts(logs(SPACE, hub, since="10m"))
    assert ["new"] == texts(logs(SPACE, hub, since=timedelta(minutes=10)))
    assert ["old", "new"] == texts(logs(SPACE, hub, since=now - timedelta(hours=1)))


def test_since_includes_its_moment_however_it_is_spelled(server, hub):
    server.write("run", [frame("one", "2026-01-31T21:54:36Z"), frame("two", "2026-01-31T21:54:36.500Z")])

    assert ["one", "two"] == texts(logs(SPACE, hub, since="2026-01-31T21:54:36.000Z"))
    assert ["two"] == texts(logs(SPACE, hub, since="2026-01-31T22:54:36.5+01:00"))


@pytest.mark.parametrize("options", [{"grep": "("}, {"since": "yesterday"}, {"tail": -1}])
def test_wrong_options_are_refused_before_anything_is_asked(server, hub, options):
    with pytest.raises(errors.BadInput):
        logs(SPACE, hub, **options)

    assert [] == server.requests


def test_a_space_that_is_not_there_is_an_error(server, hub):
    server.answers["run"] = deque([Answer(status=404)])

    with pytest.raises(errors.NotFound):
        list(logs(SPACE, hub))


@pytest.mark.parametrize("onward", [False, True])
def test_a_hub_that_is_not_there_is_an_error_at_once(hub, server, onward):
    server.__exit__()

    with pytest.raises(errors.Unreachable):
        list(logs(SPACE, hub, follow=onward, timing=Timing(pause=NEVER, request=NEVER)))


def test_secrets_do_not_pass(server, hub):
    Secret("correct horse battery", "PASSPHRASE")
    server.write("run", [*frames(2), *frames(1, start=2, text="it is correct horse battery, you know")])

    assert [*lines(2), "it is [REDACTED:PASSPHRASE], you know"] == texts(logs(SPACE, hub))


# a log that is followed, in every way that a connection ends


def test_lines_come_as_they_are_written_until_the_space_is_paused(server, hub):
    server.write("run", frames(10))
    server.answers["run"] = deque([Answer(end="hold", keep_alive=True), Answer()])
    events = logs(SPACE, hub, follow=True, timing=Timing(request=0.01, quiet=0.2))
    first = [next(events).text for _ in range(10)]

    server.write("run", frames(5, start=10))
    then = [next(events).text for _ in range(5)]
    server.runtimes = stages("PAUSED")

    assert lines(15) == first + then
    assert [] == list(events)


def test_following_begins_with_a_tail_and_goes_on(server, hub):
    server.write("run", frames(100))
    server.answers["run"] = deque([Answer(end="hold", keep_alive=True, heeds_tail=False)])
    events = logs(SPACE, hub, follow=True, tail=3, timing=FAST)
    first = [next(events).text for _ in range(3)]

    server.write("run", frames(2, start=100))

    assert lines(5, start=97) == [*first, next(events).text, next(events).text]
    events.close()


WAYS = {
    "four cuts, replayed from the start": [Answer(cut=cut) for cut in (40_000, 90_001, 90_500, 200_002)] + [Answer()],
    "cut after the same number of bytes each time": [Answer(cut=60_000)],
    "cut in the middle of the first line": [Answer(cut=20), Answer(cut=20), Answer()],
    "cut in the middle of a line": [Answer(cut=50_011), Answer()],
    "a clean end in the middle of a line": [Answer(cut=50_011, cleanly=True), Answer()],
    "a clean end half way": [Answer(lines=2000), Answer()],
    "a clean end again and again": [Answer(lines=n) for n in (500, 1200, 3999)] + [Answer()],
    "cut, then the server keeps enough": [Answer(cut=150_000), Answer(keep=3000)],
    "errors of the server": [Answer(cut=50_000), Answer(status=500), Answer(status=503), Answer(status=429), Answer()],
    "one more error than would be too many, but for the line between": [
        *[Answer(status=502)] * (TRIES - 1),
        Answer(cut=5_000),
        *[Answer(status=502)] * (TRIES - 1),
        Answer(),
    ],
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_lost_and_nothing_doubled(server, hub, way):
    server.write("run", frames(4000))
    server.answers["run"] = deque(WAYS[way])

    assert lines(4000) == texts(read_to_the_end(hub, server))


BROKEN = st.builds(
    Answer,
    status=st.sampled_from([200, 200, 200, 503]),
    lines=st.none() | st.integers(0, 600),
    cut=st.none() | st.integers(0, 60_000),
    heeds_tail=st.booleans(),
    end=st.just("cut"),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(BROKEN, max_size=TRIES - 1), st.sampled_from([1, 20, 600]), st.integers(0, 600))
def test_nothing_is_lost_in_any_order_of_accidents(answers, per_time, at_first):
    log = frames(600, per_time=per_time)
    with LogServer() as server:
        server.answers["run"] = deque([*answers, Answer()])
        server.write("run", log[:at_first])
        server.runtimes = stages("RUNNING")
        events = logs(SPACE, Hub(server.url, token="hf_" + "a" * 30), follow=True, timing=FAST)
        first = [next(events).text for _ in range(min(at_first, 1))]
        server.write("run", log[at_first:])
        server.runtimes = stages("PAUSED")

        assert lines(600) == first + texts(events)


def test_a_log_that_is_empty_at_first_is_read_from_its_start(server, hub):
    server.runtimes = stages("APP_STARTING")
    events = logs(SPACE, hub, follow=True, timing=FAST)
    got: list[Event] = []
    reading = threading.Thread(target=take_all, args=(events, got))
    reading.start()
    assert server.wait(lambda: server.paths("/runtime"))  # which is looked at after the log has ended

    server.write("run", frames(4000))
    server.runtimes = stages("PAUSED")
    reading.join(timeout=20)

    assert lines(4000) == texts(got)


@pytest.mark.parametrize("per_time", [1, 500, 10_000])
def test_times_may_be_shared_and_lines_may_repeat(server, hub, per_time):
    server.write("run", frames(6000, text="ping", per_time=per_time))
    server.answers["run"] = deque([Answer(cut=100_000), Answer(cut=101_000), Answer(cut=300_000), Answer()])

    assert ["ping"] * 6000 == texts(read_to_the_end(hub, server))


def test_what_the_server_has_no_more_is_a_gap_between_two_times(server, hub):
    server.write("run", frames(4000, per_time=1))
    server.answers["run"] = deque([Answer(lines=1000, end="cut"), Answer(keep=500)])

    got = read_to_the_end(hub, server)

    gap = got[1000]
    assert [*lines(1000), gap.text, *lines(500, start=3500)] == texts(got)
    assert ("gap", "2026-01-31T21:54:36.003500Z") == (gap.kind, gap.timestamp)
    assert "between 2026-01-31T21:54:36.000999Z and 2026-01-31T21:54:36.003500Z" in gap.text


def test_a_gap_is_shown_whatever_grep_wants(server, hub):
    server.write("run", frames(4000))
    server.answers["run"] = deque([Answer(lines=1000, end="cut"), Answer(keep=500)])

    assert ["gap"] == [event.kind for event in read_to_the_end(hub, server, grep="nothing has this")]


def test_a_server_that_keeps_little_and_cuts_early_still_gives_what_it_has(server, hub):
    server.write("run", frames(4000))
    server.answers["run"] = deque([Answer(cut=60_000), Answer(keep=2000, cut=60_000)])

    got = read_to_the_end(hub, server)

    assert ["gap"] == [event.kind for event in got if event.kind != "run"]
    assert lines(4000, start=0)[2000:] == [text for text in texts(got) if text in set(lines(2000, start=2000))]


def test_a_server_that_never_gets_past_a_point_is_given_up_with_the_way_to_resume(server, hub):
    server.write("run", frames(4000))
    server.answers["run"] = deque([Answer(cut=60_000, heeds_tail=False)])
    got: list[Event] = []

    with pytest.raises(errors.Unreachable) as caught:
        take_all(logs(SPACE, hub, follow=True, timing=FAST), got)

    reachable = sum(end <= 60_000 for end in accumulate(map(len, frames(4000))))
    assert lines(reachable) == texts(got)
    assert f"--since {got[-1].timestamp}" in caught.value.hint
    assert 1 + 1 + TRIES >= len(server.paths("/logs/"))


def test_a_line_that_no_connection_can_bring_is_given_up(server, hub):
    server.write("run", [*frames(1000), frame("x" * 50_000, "2026-02-01T00:00:00Z")])
    server.answers["run"] = deque([Answer(cut=20_000)])
    got: list[Event] = []

    with pytest.raises(errors.Unreachable, match=r"brought nothing new"):
        take_all(logs(SPACE, hub, follow=True, timing=Timing(request=0.001, pause=0.01)), got)

    assert lines(1000) == texts(got)


def test_after_the_end_of_a_log_only_its_last_lines_are_asked_for(server, hub):
    server.write("run", frames(4000))

    assert 4000 == len(read_to_the_end(hub, server))
    assert {"/api/spaces/demo/app/logs/run?tail=100"} == set(server.paths("/logs/")[1:])


def test_a_connection_that_breaks_while_it_is_live_is_not_replayed_from_the_start(server, hub):
    server.write("run", frames(4000))
    server.answers["run"] = deque([Answer(keep_alive=True, end="cut"), Answer(end="hold")])
    events = logs(SPACE, hub, follow=True, timing=FAST)
    first = [next(events).text for _ in range(4000)]
    assert server.wait(lambda: len(server.paths("/logs/")) == 2)

    server.write("run", frames(1, start=4000))

    assert lines(4001) == [*first, next(events).text]
    assert "?tail=100" in server.paths("/logs/")[1]
    events.close()


def test_a_limit_on_requests_that_does_not_end_is_said_as_such(server, hub):
    server.answers["run"] = deque([Answer(status=429)])

    with pytest.raises(errors.RateLimited):
        list(logs(SPACE, hub, timing=FAST))


def test_the_log_of_a_new_start_is_no_gap(server, hub):
    server.write("run", frames(10))
    server.answers["run"] = deque([Answer(), Answer()])
    server.runtimes = deque([{"stage": "RUNNING"}])
    events = logs(SPACE, hub, follow=True, timing=FAST)
    first = [next(events).text for _ in range(10)]
    startup = "===== Application Startup at 2026-04-04 12:08:20 ====="

    with server.changed:
        server.logs["run"] = [frame(startup, "2026-04-04T12:08:20Z"), frame("ready", "2026-04-04T12:08:21Z")]
    server.runtimes = deque([{"stage": "PAUSED"}])

    assert [*lines(10), startup, "ready"] == first + texts(events)


def test_a_line_that_was_written_late_is_neither_lost_nor_doubled(server, hub):
    one, three, late, five = (frame(text, f"2026-01-31T21:54:0{text}Z") for text in "1325")
    server.write("run", [one, three, late, five])
    server.answers["run"] = deque([Answer(lines=2, end="cut"), Answer(lines=3, end="cut"), Answer()])

    assert list("1325") == texts(read_to_the_end(hub, server))


def test_closing_wakes_the_thread_that_waits_for_the_network(server, hub):
    server.write("run", frames(1))
    server.answers["run"] = deque([Answer(end="hold")])
    before = set(threading.enumerate())
    events = logs(SPACE, hub, follow=True)
    next(events)

    began = time.monotonic()
    events.close()

    assert server.wait(lambda: server.open == 0)
    assert [] == [thread for thread in threading.enumerate() if thread not in before and "log of" in thread.name]
    assert 1 > time.monotonic() - began


@pytest.mark.parametrize(
    "source", [lambda hub, **o: logs(SPACE, hub, follow=True, **o), lambda hub, **o: follow(SPACE, hub, **o)]
)
def test_another_thread_can_stop_it(server, hub, source):
    server.write("run", frames(1))
    server.answers["run"] = deque([Answer(end="hold")])
    server.runtimes = deque([{"stage": "APP_STARTING"}])
    stop = threading.Event()
    reading = threading.Thread(target=lambda: list(source(hub, stop=stop)))
    reading.start()
    assert server.wait(lambda: server.open > 0)

    stop.set()
    reading.join(timeout=10)

    assert not reading.is_alive()
    assert server.wait(lambda: server.open == 0)


def test_closing_stops_a_reader_that_is_far_ahead(server, hub):
    server.write("run", frames(300_000))
    events = logs(SPACE, hub, timing=FAST)
    next(events)

    events.close()

    assert server.wait(lambda: server.open == 0)
    assert [] == [thread for thread in threading.enumerate() if "log of" in thread.name]


def test_requests_keep_their_distance(server, hub):
    server.write("build", frames(4000))
    server.answers["build"] = deque([Answer(cut=50_000), Answer(lines=3000), Answer()])
    server.runtimes = deque([{"stage": "BUILDING"}] * 4 + [{"stage": "RUNNING"}])

    list(follow(SPACE, hub, timing=Timing(request=0.1)))

    times = [at for at, _ in server.requests]
    assert 8 <= len(times)
    assert 0.1 * (len(times) - 2) < times[-1] - times[0]  # the first may be late by one


# following a Space


def story(events) -> list[str]:
    """What happened, as words: each stage, and how many lines of which log came between."""
    told: list[str] = []
    for event in events:
        word = event.text if event.kind == "stage" else event.kind
        if not told or told[-1] != word:
            told.append(word)
    return told


def stages(*names: str, sha: str | None = None) -> deque:
    return deque({"stage": name} | ({"sha": sha} if sha else {}) for name in names)


def test_a_deploy_is_stages_and_lines_until_the_commit_serves(server, hub):
    server.write("build", frames(20))
    server.write("run", frames(10, start=50))
    server.answers["run"] = deque([Answer(end="hold", keep_alive=True)])
    server.runtimes = stages(*["BUILDING"] * 20, *["APP_STARTING"] * 20) + stages("RUNNING", sha=NEW)

    got = list(follow(SPACE, hub, NEW, timing=FAST))

    assert ["BUILDING", "build", "APP_STARTING", "run", "RUNNING"] == story(got)
    assert lines(20) == [event.text for event in got if event.kind == "build"]
    assert lines(10, start=50) == [event.text for event in got if event.kind == "run"]
    assert NEW == [event for event in got if event.kind == "stage"][-1].runtime.sha


def test_a_failed_build_ends_with_its_whole_log(server, hub):
    server.write("build", frames(3000))
    server.answers["build"] = deque([Answer(cut=30_000), Answer(lines=2000), Answer()])
    server.runtimes = stages("RUNNING_BUILDING")
    server.runtimes.append({"stage": "BUILD_ERROR", "errorMessage": "Job failed with\nexit code: 1."})

    got = list(follow(SPACE, hub, NEW, timing=FAST))

    assert lines(3000) == [event.text for event in got if event.kind == "build"]
    assert ["RUNNING_BUILDING", "BUILD_ERROR: Job failed with exit code: 1."] == [
        event.text for event in got if event.kind == "stage"
    ]


def test_a_failed_start_ends_with_the_run_log(server, hub):
    server.write("run", frames(30))
    server.runtimes = stages("APP_STARTING", "RUNTIME_ERROR")

    assert lines(30) == [event.text for event in follow(SPACE, hub, NEW, timing=FAST) if event.kind == "run"]


def test_a_log_that_stays_open_does_not_keep_the_end_away(server, hub):
    server.write("run", frames(30))
    server.answers["run"] = deque([Answer(end="hold")])
    server.runtimes = stages("APP_STARTING", "RUNTIME_ERROR")

    got = list(follow(SPACE, hub, NEW, timing=Timing(request=0.01, quiet=0.3)))

    assert lines(30) == [event.text for event in got if event.kind == "run"]


@pytest.mark.parametrize("stale", ["RUNNING", "BUILD_ERROR", "RUNTIME_ERROR", "NO_APP_FILE"])
def test_a_stage_of_an_older_version_is_not_the_end(server, hub, stale):
    server.runtimes = stages(*[stale] * 3, sha=OLD) + stages("BUILDING") + stages("RUNNING", sha=NEW)

    assert [stale, "BUILDING", "RUNNING"] == story(follow(SPACE, hub, NEW, timing=Timing(request=0.02, grace=NEVER)))


def test_the_old_version_that_serves_again_after_a_build_is_not_yet_the_end(server, hub):
    server.runtimes = stages("RUNNING_BUILDING", sha=OLD) + stages("RUNNING", "RUNNING", sha=OLD)
    server.runtimes += stages("RUNNING", sha=NEW)

    got = list(follow(SPACE, hub, NEW, timing=Timing(request=0.02, grace=NEVER)))

    assert [OLD, OLD, NEW] == [event.runtime.sha for event in got]


@pytest.mark.parametrize("stage", ["RUNNING", "BUILD_ERROR", "PAUSED", "SLEEPING", "STOPPED"])
def test_a_stage_that_does_not_move_is_the_end_after_a_while(server, hub, stage):
    server.write("build", frames(3))
    server.runtimes = stages(stage, sha=OLD)

    got = story(follow(SPACE, hub, NEW, timing=FAST))

    assert [stage, *(["build"] if stage == "BUILD_ERROR" else [])] == got
    assert 2 < len(server.paths("/runtime"))


@pytest.mark.parametrize("sha", [None, NEW])
def test_where_the_server_names_no_commit_running_after_a_build_is_the_end(server, hub, sha):
    server.runtimes = stages("BUILDING", "RUNNING")

    assert ["BUILDING", "RUNNING"] == story(follow(SPACE, hub, sha, timing=Timing(request=0.02, grace=NEVER)))


def test_a_time_limit_is_kept_and_says_how_to_wait_on(server, hub):
    server.write("build", frames(3))
    server.answers["build"] = deque([Answer(end="hold")])
    server.runtimes = stages("BUILDING")
    got: list[Event] = []

    with pytest.raises(errors.TimedOut, match=r"still BUILDING after 0\.5 s") as caught:
        take_all(follow(SPACE, hub, NEW, timeout=0.5, timing=FAST), got)

    assert "spaceops wait demo/app" in caught.value.hint
    assert ["BUILDING", "build"] == story(got)


def test_without_time_it_looks_once(server, hub):
    server.runtimes = stages("RUNNING", sha=NEW)

    assert ["RUNNING"] == story(follow(SPACE, hub, NEW, timeout=0, timing=FAST))


def test_a_hub_that_does_not_answer_at_the_end_of_the_time_is_told_as_that(server, hub):
    server.runtimes = deque([{"stage": "BUILDING"}, 503])

    with pytest.raises(errors.Unreachable, match="times in a row") as caught:
        list(follow(SPACE, hub, NEW, timeout=0.3, timing=FAST))

    assert "spaceops wait demo/app" in caught.value.hint


@pytest.mark.parametrize(("end", "connections"), [("RUNNING", 1), ("BUILD_ERROR", 2)])
def test_only_after_a_failure_a_log_that_has_ended_is_asked_whether_that_was_the_end(server, hub, end, connections):
    server.write("build", frames(3))
    server.runtimes = stages("BUILDING", end, sha=NEW)
    events = follow(SPACE, hub, NEW, timing=Timing(request=0.1))
    got = [next(events) for _ in range(4)]  # BUILDING, and the whole log

    got += events

    assert ["BUILDING", "build", end] == story(got)
    assert connections == len(server.paths("/logs/build"))


def test_looks_that_fail_are_repeated(server, hub):
    server.runtimes = deque([503, {"stage": "BUILDING"}, 500, 429, 500, {"stage": "RUNNING", "sha": NEW}])

    assert ["BUILDING", "RUNNING"] == story(follow(SPACE, hub, NEW, timing=FAST))


def test_a_hub_that_fails_for_good_is_given_up(server, hub):
    server.runtimes = deque([{"stage": "BUILDING"}, 503])

    with pytest.raises(errors.Unreachable, match=f"{TRIES} times in a row"):
        list(follow(SPACE, hub, NEW, timing=FAST))


def test_a_space_that_is_deleted_meanwhile_ends_the_following(server, hub):
    server.runtimes = deque([{"stage": "BUILDING"}, 404])

    with pytest.raises(errors.NotFound):
        list(follow(SPACE, hub, NEW, timing=FAST))


def test_a_log_that_may_not_be_read_does_not_end_the_following(server, hub):
    server.answers["build"] = deque([Answer(status=403)])
    server.runtimes = stages(*["BUILDING"] * 30) + stages("RUNNING", sha=NEW)

    got = list(follow(SPACE, hub, NEW, timing=FAST))

    assert ["BUILDING", "gap", "RUNNING"] == story(got)
    assert "build log cannot be read" in got[1].text
    assert 1 == len(server.paths("/logs/build"))


def test_a_second_build_is_read_too(server, hub):
    server.write("build", frames(3))
    server.runtimes = stages(*["BUILDING"] * 20, *["APP_STARTING"] * 20, *["BUILDING"] * 20) + stages("BUILD_ERROR")
    events = follow(SPACE, hub, NEW, timing=FAST)
    got = [next(events) for _ in range(5)]  # BUILDING, three lines, APP_STARTING

    server.write("build", frames(3, start=3))

    assert lines(6) == [event.text for event in [*got, *events] if event.kind == "build"]


# the parts


def entry(text: str, timestamp: str = "2026-01-31T21:54:36Z", ending: str = "\n\n") -> bytes:
    return f"data: {json.dumps({'data': text, 'timestamp': timestamp})}{ending}".encode()


def parsed(stream: bytes, sizes: list[int]) -> list[str]:
    made, found, begin = Frames(), [], 0
    for size in sizes:
        found += made.feed(stream[begin : begin + size])[0]
        begin += size
    found += made.feed(stream[begin:])[0]
    return [line.data for line in [*found, *made.end()[0]]]


@given(
    st.lists(st.text(), max_size=8), st.lists(st.integers(0, 40), max_size=20), st.sampled_from(["\n\n", "\r\n\r\n"])
)
def test_entries_are_the_same_wherever_the_stream_is_divided(said, sizes, ending):
    stream = KEEP_ALIVE.join(entry(text, ending=ending) for text in said)

    assert [text.encode(errors="replace").decode() for text in said] == parsed(stream, sizes)


def test_an_entry_may_speak_of_entries():
    said = 'data: {"data": "x"}\ndata: {"data": "y"}\n'

    assert [said] == parsed(entry(said), [])


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b'data: {"data": "caf\xe9", "timestamp": "T"}\n\n', "caf\ufffd"),
        (b'data: {"data": "half \\ud83d", "timestamp": "T"}\n\n', "half ?"),
        (b'data:{"data": "no space", "timestamp": "T"}\n\n', "no space"),
        (b'event: log\nid: 7\ndata: {"data": "named", "timestamp": "T", "more": 1}\n\n', "named"),
    ],
)
def test_unusual_entries_are_read(frame, text):
    assert [text] == parsed(frame, [])


@pytest.mark.parametrize("torn", [b'data: {"data": "tor', b"data: [1]\n\n", b'data: {"other": 1}\n\n', b"hello\n\n"])
def test_what_is_no_entry_is_left_out(torn):
    assert ["whole\n"] == parsed(entry("whole\n") + torn, [])


def test_keep_alives_are_told_from_silence():
    assert ([], True) == Frames().feed(KEEP_ALIVE)
    assert ([], True) == Frames().feed(b": keep-alive\n\n")
    assert ([], False) == Frames().feed(b"\n\n")


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 7)), max_size=6),
)
def test_whatever_is_replayed_and_cut_each_line_comes_once(log, connections):
    """Times grow and are shared, lines repeat; a connection replays from somewhere in what is known, to somewhere."""
    now, everything = 0, []
    for step, text in log:
        now += step // 3
        everything.append(Line(text, f"T{now:04}Z"))
    memory, got = Memory(), []
    for begin, length, size in [*connections, (0, len(everything), 7)]:
        begin = min(begin, max(len(got) - 1, 0)) if not _splits_twins(everything, begin, len(got)) else 0
        replay = Replay(memory)
        for at in range(begin, min(begin + length, len(everything)), size):
            fresh = replay.fresh(everything[at : min(at + size, begin + length)])
            if fresh:
                memory.keep(fresh)
            got += fresh

        assert replay.gap is None

    assert everything == got


def _splits_twins(log: list[Line], begin: int, known: int) -> bool:
    """Whether a replay from `begin` has fewer of a repeated line than were seen: no reader can tell which are which."""
    begin = min(begin, max(known - 1, 0))
    return any(line in log[:begin] for line in log[begin:])


def test_a_replay_that_begins_after_the_last_line_is_a_gap_even_within_one_time():
    memory = Memory()
    memory.keep([Line("a", "T1Z"), Line("b", "T2Z")])
    replay = Replay(memory)

    assert [Line("d", "T2Z"), Line("e", "T3Z")] == replay.fresh([Line("d", "T2Z"), Line("e", "T3Z")])
    assert Gap("T2Z", "T3Z") == replay.gap


def test_memory_is_bounded_by_time_and_number():
    memory = Memory()
    for number in range(200):
        memory.keep([Line(f"{number}.{index}", f"T{number:04}Z") for index in range(100)])

    assert 5000 > len(list(memory.lines()))


@settings(deadline=None)
@given(st.integers(2, 2_000_000), st.integers(4, 60), st.integers(0, 99), st.integers(0, 2_000))
def test_asking_for_the_last_lines_finds_what_is_new(total, parts, percent, growth):
    """A server with `total` lines, which grow for a while, gives a part of them on each connection."""
    known, fits = total * percent // 100, total // parts + 2
    growth = min(growth, fits // 4)
    probe, connections = Probe(), 0
    while known < total:
        connections += 1
        total += growth if connections < 20 else 0
        begin = 0 if probe.ask is None else max(total - probe.ask, 0)
        if begin >= max(known, 1):
            assert probe.too_few(f"{begin:09}")
            continue
        received = min(fits, total - begin)
        new = max(begin + received - known, 0)
        known += new

        assert known == total or probe.cut(received, new)
        assert connections < 50 + 2 * parts


def test_turns_are_given_in_order_and_apart():
    pace = Pace(5)
    first = pace.turn()

    assert [first + 5, first + 10] == pytest.approx([pace.turn(), pace.turn()])
    assert time.monotonic() == pytest.approx(first, abs=1)
