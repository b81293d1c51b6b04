"""Whether a release runs: what counts as success, and each way to fail, told at the first sign of it."""

from __future__ import annotations

import time
from collections import deque

import pytest

from spaceops import errors
from spaceops.comparison import compare
from spaceops.errors import DeployFailed, TimedOut
from spaceops.history import Release
from spaceops.hub import Hub
from spaceops.logstream import Timing
from spaceops.observed import Observed, Runtime
from spaceops.plans import FileChanges
from spaceops.spec import Health, Space
from spaceops.verification import CURABLE, Goal, evidence_of, settled, verify
from tests.log_server import Answer, LogServer, Said, frame, frames

SPACE = "demo/app"
OLD, OURS, THEIRS = "0" * 40, "1" * 40, "2" * 40
TOKEN = "hf_" + "a" * 30
# as fast as the server answers; a grace that a test must not need would take too long to be overlooked
FAST = Timing(request=0.002, pause=0.05, grace=0.1, app=0.002, silence=0.2, quiet=0.2, first_line=0.2)
PATIENT = Timing(request=0.002, pause=0.05, grace=60.0, app=0.002)
LIMIT = 20.0


@pytest.fixture
def server():
    with LogServer() as server:
        server.runtimes = stages("BUILDING", "BUILDING", "RUNNING")
        yield server


@pytest.fixture
def hub(server):
    return Hub(server.url, token=TOKEN)


def runtime(stage: str, sha: str | None = None, said: str | None = None) -> dict:
    sha = sha or (OURS if stage == "RUNNING" else None)
    return {"stage": stage} | ({"sha": sha} if sha else {}) | ({"errorMessage": said} if said else {})


def stages(*names: str) -> deque:
    return deque(map(runtime, names))


def goal(
    server: LogServer, *, stage: str = "RUNNING", sha: str | None = OLD, said: str | None = None, **fields
) -> Goal:
    health = Health(**{"path": "/ready", "grace": "0s", **fields.pop("health", {})})
    before = Runtime(stage, error_message=said, sha=sha)
    facts = {"sha": OURS, "visibility": "public", "is_new": True, "host": server.url, "timeout": LIMIT, **fields}
    return Goal(repo_id=SPACE, health=health, runtime=before, **facts)


def attempt(server: LogServer, hub: Hub, *, timing: Timing = FAST, **fields) -> tuple[str | None, list[str]]:
    """What came out, and the steps that were told."""
    told: list = []
    host = verify(goal(server, **fields), hub, told.append, timing=timing)
    return host, [event.text for event in told if event.kind == "step"]


def failure(server: LogServer, hub: Hub, kind=DeployFailed, **fields):
    with pytest.raises(kind) as caught:
        attempt(server, hub, **fields)
    return caught.value


def asked(server: LogServer) -> int:
    return len(server.paths("/ready"))


# success


def test_our_commit_runs_and_answers_three_times(server, hub):
    assert (server.url, ["/ready answers 200"]) == attempt(server, hub)
    assert 3 == asked(server)


def test_what_ran_before_and_still_answers_is_no_success(server, hub):
    server.runtimes = deque([*[runtime("RUNNING", OLD)] * 5, runtime("RUNNING_BUILDING", OLD), runtime("RUNNING")])

    attempt(server, hub, timing=PATIENT)

    first = next(number for number, (_, path) in enumerate(server.requests) if path == "/ready")
    assert 7 <= sum(path.endswith("/runtime") for _, path in server.requests[:first])


def test_the_process_before_a_restart_is_no_proof_of_the_new_settings(server, hub):
    """The Hub is slow to restart: the same commit runs, with the old settings, and would answer."""
    server.runtimes = stages(*["RUNNING"] * 5, "APP_STARTING", "RUNTIME_ERROR")
    space = Space.parse({"repo_id": SPACE, "variables": {"LEVEL": "wrong"}})
    before = Observed(SPACE, exists=True, sha=OURS, runtime=Runtime("RUNNING", sha=OURS))
    plan = compare(space, before, FileChanges(), account="demo", endpoint=server.url, secrets={}, prices={})
    release = Release(SPACE, server.url, "applied", OURS, plan=plan)

    with pytest.raises(DeployFailed, match="RUNTIME_ERROR"):
        verify(goal(server, sha=OURS), hub, lambda _: None, release=release, timing=PATIENT)

    assert 0 == asked(server)


def test_right_answers_count_in_a_row(server, hub):
    server.app = deque([Said(), Said(), Said(503), Said(), Said(body=None), Said()])

    attempt(server, hub, health={"times": 4})

    assert 5 + 4 == asked(server)


@pytest.mark.parametrize(
    "early", [Said(404), Said(500), Said(307, location="/login"), Said(body=b"loading")], ids=lambda said: said.status
)
def test_within_the_grace_a_wrong_answer_is_start_up(server, hub, early):
    server.app = deque([early, early, Said(body=b"I am ready.")])

    attempt(server, hub, health={"grace": "10s", "body": "ready"})

    assert 2 + 3 == asked(server)


def test_status_and_body_are_those_of_space_toml(server, hub):
    server.app = deque([Said(204, b"")])
    attempt(server, hub, health={"status": 204})

    server.app = deque([Said(401, b'{"ready": true, "more": ' + b"1" * 10_000)])
    attempt(server, hub, health={"status": 401, "body": '"ready": true'})


@pytest.mark.parametrize(
    ("visibility", "sent"), [("public", None), ("protected", None), ("private", f"Bearer {TOKEN}")]
)
def test_only_a_private_app_gets_the_token(server, hub, visibility, sent):
    attempt(server, hub, visibility=visibility)

    assert [sent] * 3 == server.tokens


def test_where_the_hub_chose_the_visibility_it_is_asked_for_it(server, hub):
    server.private = True

    attempt(server, hub, visibility=None)

    assert [f"Bearer {TOKEN}"] * 3 == server.tokens


def test_a_hub_that_fails_now_and_then_does_not_end_it(server, hub):
    server.runtimes = deque([runtime("BUILDING"), 503, 429, runtime("RUNNING"), 500, 502, runtime("RUNNING")])
    server.app = deque([Said(503), Said(503), Said()])

    assert server.url == attempt(server, hub)[0]


# nothing was changed


def test_what_was_not_changed_is_asked_and_not_followed(server, hub):
    attempt(server, hub, is_new=False, sha=OURS)

    assert ["/ready"] * 3 == [path for _, path in server.requests]


@pytest.mark.parametrize("stage", ["PAUSED", "SLEEPING", "STOPPED"])
def test_what_its_owner_left_at_rest_stays_so(server, hub, stage):
    host, told = attempt(server, hub, is_new=False, stage=stage)

    assert (None, []) == (host, server.requests)
    assert told[0].startswith(f"{stage}, and left so: ")


def test_what_the_hub_has_paused_is_a_failure_all_the_same(server, hub):
    error = failure(server, hub, is_new=False, stage="PAUSED", said="Flagged as abusive")

    assert ("demo/app: PAUSED: Flagged as abusive", ("stopped",)) == (error.message, error.codes)


def test_without_a_start_there_is_no_grace(server, hub):
    server.app = deque([Said(404)])
    server.runtimes = stages("RUNNING")

    error = failure(server, hub, is_new=False, sha=OURS, health={"grace": "60s"})

    assert ("unhealthy",) == error.codes
    assert 1 == asked(server)


def test_what_is_started_by_somebody_is_followed(server, hub):
    server.runtimes = stages("APP_STARTING", "RUNNING")

    assert server.url == attempt(server, hub, is_new=False, stage="APP_STARTING")[0]


# failures


@pytest.mark.parametrize(
    ("end", "code", "exit_code", "hint"),
    [
        (runtime("BUILD_ERROR", said="Job failed with exit code: 1"), "build-error", 7, "logs demo/app --build"),
        (runtime("RUNTIME_ERROR", said="Exit code: 1. Reason: boom"), "runtime-error", 8, "logs demo/app"),
        (
            runtime("CONFIG_ERROR", said="Collision on variables and secrets names"),
            "config-error",
            7,
            "variables delete",
        ),
        (runtime("NO_APP_FILE"), "no-app-file", 7, "Dockerfile"),
        (runtime("RUNTIME_ERROR", said="Scheduling failure: unable to schedule"), "no-capacity", 8, "restart demo/app"),
        (runtime("PAUSED"), "stopped", 8, "spaceops restart demo/app"),
        (runtime("STOPPED"), "stopped", 8, "spaceops restart demo/app"),
        (runtime("RUNNING", OLD), "old-version", 8, "spaceops restart demo/app"),
        (runtime("SOMETHING_NEW"), "stopped", 8, "spaceops status demo/app"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_end_has_its_code_and_a_hint_that_is_a_command(server, hub, end, code, exit_code, hint):
    server.runtimes = deque([runtime("BUILDING"), end])

    error = failure(server, hub)

    assert (code, exit_code) == (error.codes[0], error.exit_code)
    assert hint in error.hint
    assert (end.get("errorMessage") or "") in error.message
    assert 0 == asked(server)


def test_a_failed_build_shows_the_step_that_failed_and_a_failed_start_the_last_words(server, hub):
    server.write(
        "build", [frame(text, f"2026-01-31T00:00:0{n}Z") for n, text in enumerate(["--> FROM", "--> RUN", "no"])]
    )
    server.write("run", [frame("Traceback", "2026-01-31T00:00:09Z")])
    server.runtimes = stages("BUILDING", "BUILD_ERROR")
    build = failure(server, hub)
    server.runtimes = stages("APP_STARTING", "RUNTIME_ERROR")
    start = failure(server, hub)

    assert (["--> RUN", "no"], ["Traceback"]) == (build.log_tail, start.log_tail)


def test_where_the_log_cannot_be_read_the_hubs_own_words_are_the_proof(server, hub):
    server.answers["run"] = deque([Answer(status=403)])
    server.runtimes = deque([runtime("APP_STARTING"), runtime("RUNTIME_ERROR", said="Exit code: 1. Reason: a\nb\nc")])

    error = failure(server, hub)

    assert ("demo/app: RUNTIME_ERROR: Exit code: 1. Reason: a", ["b", "c"]) == (error.message, error.log_tail)


def test_of_a_traceback_the_exception_is_the_cause_and_not_a_frame_of_it(server, hub):
    said = 'Exit code: 3. Reason:   File "main.py", line 1\n    import nothing\nValueError: no level\nERROR: Exiting.'
    server.runtimes = deque([runtime("APP_STARTING"), runtime("RUNTIME_ERROR", said=said)])

    error = failure(server, hub)

    assert "demo/app: RUNTIME_ERROR: Exit code: 3. Reason: ValueError: no level" == error.message


@pytest.mark.parametrize("end", ["BUILD_ERROR", "RUNNING", "PAUSED"])
def test_whatever_comes_of_it_a_commit_after_ours_is_the_cause(server, hub, end):
    server.runtimes = deque([runtime("BUILDING"), runtime(end, THEIRS)])
    server.heads = deque([THEIRS])

    error = failure(server, hub)

    assert ("overtaken",) == error.codes
    assert "somebody pushed after it, and main is at 2222222, not 1111111" in error.message
    assert not CURABLE & set(error.codes)


def test_a_build_of_another_commit_tells_that_ours_was_overtaken_before_it_ends(server, hub):
    server.runtimes = stages("BUILDING")  # for ever
    server.heads = deque([THEIRS])
    queued = f"===== Build Queued at 2026-01-31 21:54:36 / Commit SHA: {THEIRS[:7]} ====="
    server.write("build", [frame(queued, "2026-01-31T21:54:36Z")])

    assert ("overtaken",) == failure(server, hub).codes


def test_the_log_of_an_older_build_is_no_sign(server, hub):
    queued = "===== Build Queued at 2026-01-31 21:54:36 / Commit SHA: abcdef0 ====="
    server.write("build", [frame(queued, "2026-01-31T21:54:36Z")])
    server.runtimes = stages(*["BUILDING"] * 20, "RUNNING")

    assert server.url == attempt(server, hub)[0]
    assert 1 == len(server.paths("/demo/app?"))


@pytest.mark.parametrize("last", [404, runtime("DELETING")], ids=["404", "DELETING"])
@pytest.mark.parametrize("healthy", [True, False], ids=["while it is built", "while it is asked"])
def test_a_space_that_is_deleted_is_gone(server, hub, last, healthy):
    server.runtimes = deque([runtime("BUILDING"), *([runtime("RUNNING")] if healthy else []), last])
    server.app = deque([Said(503)])

    error = failure(server, hub, errors.NotFound)

    assert "demo/app is gone: it was deleted meanwhile" in error.message


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(404, b"<h1>Not\nFound</h1>"), "/ready answers 404, not 200: <h1>Not Found</h1>"),
        (Said(500, b"\x1b[31mboom"), "/ready answers 500, not 200: \\x1b[31mboom"),
        (
            Said(307, location="https://x.test/login?next=secret"),
            "answers 307, not 200: it leads to https://x.test/login",
        ),
        (Said(200, b"starting"), "/ready answers 200 without 'ready'"),
    ],
    ids=["404", "500", "redirect", "body"],
)
def test_after_the_grace_a_wrong_answer_is_the_end_with_the_log_of_the_app(server, hub, said, words):
    server.app = deque([said])
    server.write("run", [frame("what the app says", "2026-01-31T00:00:09Z")])

    error = failure(server, hub, health={"body": "ready"} if said.status == 200 else {})

    assert error.message.endswith(f"demo/app runs, but {words}" if words[0] == "/" else words)
    assert (("unhealthy",), 8, ["what the app says"]) == (error.codes, error.exit_code, error.log_tail)


def test_a_wrong_answer_at_the_end_of_the_time_is_the_cause_also_within_the_grace(server, hub):
    server.app = deque([Said(404)])

    error = failure(server, hub, timeout=0.3, health={"grace": "1h"})

    assert (("unhealthy",), 8) == (error.codes, error.exit_code)


def test_an_app_that_crashes_after_its_answers_is_no_success(server, hub):
    server.runtimes = deque([runtime("BUILDING"), runtime("RUNNING"), runtime("RUNTIME_ERROR", said="Exit code: 3.")])
    server.write("run", [frame("last words", "2026-01-31T00:00:09Z")])

    error = failure(server, hub)

    assert (("runtime-error",), ["last words"]) == (error.codes, error.log_tail)


def test_an_app_that_is_started_again_meanwhile_is_followed_again(server, hub):
    server.runtimes = stages("BUILDING", "RUNNING", "APP_STARTING", "APP_STARTING", "RUNNING")

    assert server.url == attempt(server, hub)[0]
    assert 6 == asked(server)


def test_one_that_fell_asleep_is_woken_by_the_question(server, hub):
    server.runtimes = deque([runtime("BUILDING"), runtime("SLEEPING", OURS)])
    server.runtimes += [runtime("SLEEPING", OURS)] * 100 + [runtime("RUNNING")]
    server.app = deque([Said(404), Said()])  # a page of the Hub's, not of the app's

    assert server.url == attempt(server, hub)[0]


def test_a_space_without_an_address_cannot_be_asked(server, hub):
    error = failure(server, hub, host=None)

    assert ("no-address",) == error.codes


# the end of the time


def test_a_build_that_never_ends_is_told_with_how_long_it_took_and_what_it_said_last(server, hub):
    server.runtimes = stages("BUILDING")
    server.answers["build"] = deque([Answer(end="hold")])
    server.write("build", frames(30))

    error = failure(server, hub, TimedOut, timeout=0.5)

    assert error.message.startswith("demo/app is still BUILDING after 0.")
    assert "its build log has said nothing for" in error.message
    assert [f"line {number} of the log" for number in range(10, 30)] == error.log_tail
    assert (("timed-out",), tuple(error.log_tail)) == evidence_of(error)
    assert error.log_tail == error.as_dict()["log_tail"]


def test_a_start_that_says_nothing_is_told_as_that(server, hub):
    server.runtimes = stages("BUILDING", "APP_STARTING")

    error = failure(server, hub, TimedOut, timeout=0.3)

    assert "still APP_STARTING" in error.message
    assert "its run log is empty" in error.message


def test_a_start_that_takes_too_long_is_told_with_the_cause_that_its_log_shows(server, hub):
    server.runtimes = stages("BUILDING", "APP_STARTING")
    server.write("run", [frame("INFO:     Uvicorn running on http://127.0.0.1:7860", "2026-01-31T00:00:09Z")])

    error = failure(server, hub, TimedOut, timeout=0.5)

    assert ["bind-loopback"] == [found.code for found in error.findings]
    assert error.findings[0].message in error.message
    assert error.findings[0].hint == error.hint


def test_a_failed_build_is_told_with_its_cause(server, hub):
    lines = ["--> RUN pip install x", "ERROR: No matching distribution found for x", "--> ERROR: no"]
    server.write("build", [frame(text, f"2026-01-31T00:00:0{n}Z") for n, text in enumerate(lines)])
    server.runtimes = deque([runtime("BUILDING"), runtime("BUILD_ERROR", said="Job failed. Reason: cache miss: [x]")])

    error = failure(server, hub)

    assert ("build-error", "pip-no-version") == error.codes
    assert "cache miss" not in error.message
    assert str(error).endswith("more: spaceops explain pip-no-version")


def test_a_wrong_answer_is_told_with_what_the_log_shows_of_it(server, hub):
    server.app = deque([Said(500)])
    server.write("run", [frame("ModuleNotFoundError: No module named 'yaml'", "2026-01-31T00:00:09Z")])

    error = failure(server, hub)

    assert (("unhealthy",), ["module-not-found"]) == (error.codes, [found.code for found in error.findings])


@pytest.mark.parametrize(
    ("said", "words"),
    [(Said(503), "answers 503, not 200"), (Said(body=None), "does not answer")],
    ids=["503", "nothing"],
)
def test_an_app_that_is_not_ready_yet_has_all_the_time(server, hub, said, words):
    server.app = deque([said])
    server.write("run", [frame("loading the model", "2026-01-31T00:00:09Z")])

    error = failure(server, hub, TimedOut, timeout=0.3)

    assert words in error.message
    assert ["loading the model"] == error.log_tail


def test_a_hub_that_does_not_answer_at_the_end_is_not_the_new_versions_fault(server, hub):
    server.runtimes = deque([runtime("BUILDING"), 503])
    building = failure(server, hub, errors.Unreachable, timeout=0.2)
    server.runtimes = deque([runtime("BUILDING"), runtime("RUNNING"), 503])
    server.app = deque([Said(503)])
    asking = failure(server, hub, errors.Unreachable, timeout=0.2)

    assert "spaceops wait demo/app" in building.hint
    assert "spaceops wait demo/app" in asking.hint
    assert not CURABLE & {*evidence_of(building)[0], *evidence_of(asking)[0]}


def test_without_time_the_hub_is_looked_at_once(server, hub):
    server.runtimes = stages("RUNNING")

    assert server.url == attempt(server, hub, timeout=0.0)[0]


# waiting without a release


def test_waiting_ends_when_nothing_is_under_way(server, hub):
    server.runtimes = stages("APP_STARTING", "RUNNING")
    busy = Observed(SPACE, exists=True, sha=OURS, runtime=Runtime("APP_STARTING"))

    settled(busy, hub, timeout=LIMIT, watch=lambda _: None)

    assert server.paths("/runtime")


def test_waiting_for_what_has_failed_says_so_with_its_log(server, hub):
    server.write("run", [frame("last words", "2026-01-31T00:00:09Z")])
    failed = Observed(SPACE, exists=True, sha=OURS, runtime=Runtime("RUNTIME_ERROR"))

    began = time.monotonic()
    with pytest.raises(DeployFailed) as caught:
        settled(failed, hub, timeout=LIMIT, watch=lambda _: None)

    assert (["last words"], ("runtime-error",)) == (caught.value.log_tail, caught.value.codes)
    assert time.monotonic() - began < LIMIT
