"""The ledger on the branch `spaceops`: who may claim, how long, what is left of whoever died, what others wrote."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from msgspec.structs import replace

from spaceops import Hub, LocalHub, errors, ledger
from spaceops.cachefolder import cache_folder
from spaceops.ledger import FRESH, Hold, conclude, files_written, held, passed, record_of, records
from spaceops.records import BRANCH, INDEX, LEASE, WRITTEN, Index, Ledger, Record, encoded
from tests.scripted_server import Answer, scripted

HALF = LEASE.total_seconds() / 2


class Time:
    """Time that passes when a test says so, by the server's clock and by ours."""

    def __init__(self, localhub: LocalHub) -> None:
        self._localhub, self._ahead = localhub, 0.0

    def __call__(self) -> float:
        return passed() + self._ahead

    def passes(self, seconds: float) -> None:
        self._localhub.clock.advance(seconds)
        self._ahead += seconds


@pytest.fixture
def time(localhub):
    return Time(localhub)


@pytest.fixture
def repo_id(space, hub) -> str:
    """A Space with nothing in it but what the Hub writes."""
    hub.create(space.repo_id, visibility=None, settings={})
    return space.repo_id


@pytest.fixture
def api(localhub) -> HfApi:
    return HfApi(endpoint=localhub.url, token=localhub.token)


def release(number: int, **facts) -> Record:
    return Record(
        **{"number": number, "outcome": "deploying", "by": "demo", "started": "2026-01-01T00:00:00Z", **facts}
    )


def hold(repo_id: str, hub: Hub, by: str = "demo", **more) -> Hold:
    return Hold(repo_id, hub, ledger.read(repo_id, hub), by, **more)


def released(repo_id: str, hub: Hub, **facts) -> Record:
    """One whole release."""
    with held(hold(repo_id, hub)) as mine:
        mine.claim(release(mine.number, **facts))
        done = release(mine.number, **facts | {"outcome": "applied"})
        mine.finish(done)
    return done


def put(api: HfApi, repo_id: str, path: str, content: bytes, revision: str = BRANCH) -> None:
    api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id, repo_type="space", revision=revision)


@contextmanager
def fault(localhub: LocalHub, kind: str, repo_id: str, call: str, **facts):
    with localhub.faults.add(kind, path=f"/api/spaces/{repo_id}/{call}", times=1, **facts):
        yield


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SPACEOPS_CACHE", str(tmp_path / "cache"))


def signs() -> set[str]:
    """The files that say which deploys live."""
    folder = cache_folder() / "locks"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


# reading


def test_a_space_without_releases_and_one_that_does_not_exist_have_an_empty_ledger(repo_id, hub):
    for asked in (repo_id, "demo/nobody-has-made-it"):
        found = ledger.read(asked, hub)

        assert (Index(), None, 1) == (found.index, found.head, found.index.next)
        assert frozenset() == files_written(asked, hub, found)


def test_reading_is_one_request_and_tells_the_time_of_the_server(repo_id, hub, localhub, time):
    time.passes(3600)
    localhub.requests.clear()

    found = ledger.read(repo_id, hub)

    assert 1 == len(localhub.requests)
    assert abs(found.now - localhub.clock.now()) < timedelta(seconds=5)


def test_the_newest_releases_come_first_and_one_that_is_missing_is_passed_over(repo_id, hub):
    for _ in range(3):
        released(repo_id, hub)

    assert [3, 2] == [record.number for record in records(repo_id, hub, newest=3, count=2)]
    assert [3, 2, 1] == [record.number for record in records(repo_id, hub, newest=4, count=50)]
    with pytest.raises(errors.NotFound, match="has no release 9"):
        record_of(repo_id, hub, 9)


# claiming


def test_the_first_claim_makes_the_branch_and_the_lock_is_given_back_at_the_end(repo_id, hub):
    with held(hold(repo_id, hub)) as mine:
        mine.claim(release(1))
        during = ledger.read(repo_id, hub).index
        mine.finish(release(1, outcome="applied"), ["app.py"], sha="abc")
    after = ledger.read(repo_id, hub)

    assert (1, "deploying", "demo") == (during.last, during.outcome, during.lock.by)
    assert (1, "applied", "abc", None) == (after.index.last, after.index.outcome, after.index.sha, after.index.lock)
    assert {"app.py"} == files_written(repo_id, hub, after)
    assert 2 == after.index.next


def test_whoever_claims_while_another_lives_is_told_whose_lock_it_is(repo_id, hub):
    with held(hold(repo_id, hub, by="first")) as mine:
        mine.claim(release(1))
        with pytest.raises(errors.Locked, match="first has been deploying") as caught:
            hold(repo_id, hub).claim(release(1))

    assert "first" == caught.value.by
    assert 5 == caught.value.exit_code
    assert signs() == set()


@pytest.mark.parametrize("has_releases", [True, False])
def test_of_two_who_claim_what_they_have_both_read_one_is_refused(repo_id, hub, has_releases):
    if has_releases:
        released(repo_id, hub)
    first, second = hold(repo_id, hub, by="first"), hold(repo_id, hub, by="second")

    with held(first), held(second):
        first.claim(release(first.number))
        with pytest.raises(errors.Locked, match="first has been deploying"):
            second.claim(release(second.number))
        first.finish(release(first.number, outcome="applied"))

    assert "applied" == ledger.read(repo_id, hub).index.outcome


def test_a_claim_on_what_was_read_before_a_release_is_stale(repo_id, hub):
    old = hold(repo_id, hub)
    released(repo_id, hub)

    with pytest.raises(errors.PlanStale, match="another release since the plan"):
        old.claim(release(1))


def test_that_an_older_release_came_out_meanwhile_makes_no_plan_stale(repo_id, hub):
    done = released(repo_id, hub)
    mine = hold(repo_id, hub)
    conclude(repo_id, hub, replace(done, outcome="running"))

    with held(mine):
        mine.claim(release(2))

    index = ledger.read(repo_id, hub).index
    assert (2, "deploying", 1) == (index.last, index.outcome, index.good)


def test_a_branch_that_was_only_begun_is_gone_on_with(repo_id, hub, api):
    """Killed between the two requests of the first claim, or in the middle of another's."""
    early = hold(repo_id, hub)
    api.create_branch(repo_id, repo_type="space", branch=BRANCH)

    early.claim(release(1))

    assert "deploying" == ledger.read(repo_id, hub).index.outcome


def test_files_of_the_app_that_are_named_like_ours_are_not_taken_for_a_ledger(repo_id, hub, api):
    put(api, repo_id, INDEX, b'{"last": 7, "lock": "none of yours"}', "main")
    put(api, repo_id, WRITTEN, b'["mine.txt"]', "main")
    api.create_branch(repo_id, repo_type="space", branch=BRANCH)
    begun = ledger.read(repo_id, hub)

    hold(repo_id, hub).claim(release(1))

    assert (Index(), frozenset()) == (begun.index, files_written(repo_id, hub, begun))
    assert frozenset() == files_written(repo_id, hub, ledger.read(repo_id, hub))


def test_an_unfinished_release_is_gone_on_with_under_its_number(repo_id, hub):
    with held(hold(repo_id, hub)) as mine:
        mine.claim(release(1))

    left = ledger.read(repo_id, hub).index
    assert (1, "deploying", None, 1) == (left.last, left.outcome, left.lock, left.next)


# time


def test_a_lock_that_is_half_over_is_renewed_before_the_next_change_and_not_sooner(repo_id, hub, localhub, time):
    with held(hold(repo_id, hub, passed=time)) as mine:
        mine.claim(release(1))
        until = ledger.read(repo_id, hub).index.lock.until
        localhub.requests.clear()
        time.passes(HALF - 20)
        mine.keep()
        assert [] == list(localhub.requests)
        time.passes(40)
        mine.keep()
        renewed = ledger.read(repo_id, hub).index.lock

    assert renewed.until > until
    assert mine.id == renewed.id


def test_a_lock_outlived_by_its_lease_is_taken_over_and_its_holder_told(repo_id, hub, time):
    slow = hold(repo_id, hub, by="slow", passed=time)
    slow.claim(release(1))
    time.passes(LEASE.total_seconds() + 1)

    with held(hold(repo_id, hub, by="quick")) as quick:
        quick.claim(release(1))
        with pytest.raises(errors.PlanStale, match="was taken over by quick"):
            slow.keep()
        with pytest.raises(errors.PlanStale, match="was taken over by quick"):
            slow.finish(release(1, outcome="applied"))
        assert slow.leave()  # and that leaves the other's lock alone
        assert "quick" == ledger.read(repo_id, hub).index.lock.by

    assert "slow" == quick.taken_from.by


def test_a_plan_that_waited_for_its_approval_takes_a_lock_for_a_whole_lease(repo_id, hub, localhub, time):
    released(repo_id, hub)
    mine = hold(repo_id, hub, passed=time)
    time.passes(2 * LEASE.total_seconds())

    mine.claim(release(2))

    lock = ledger.read(repo_id, hub).index.lock
    assert not lock.is_over(localhub.clock.now() + LEASE - timedelta(seconds=5))


@pytest.mark.parametrize("read_at", [None, 0.0])
def test_a_plan_of_yesterday_looks_at_the_ledger_again(repo_id, hub, localhub, read_at):
    released(repo_id, hub)
    known = ledger.read(repo_id, hub)
    saved = Ledger(known.index, known.head, known.now - timedelta(days=1), read_at)
    localhub.requests.clear()

    Hold(repo_id, hub, saved, "demo").claim(release(2))

    lock = ledger.read(repo_id, hub).index.lock
    assert not lock.is_over(localhub.clock.now() + LEASE - timedelta(seconds=5))


def test_a_lock_that_ended_between_plan_and_claim_is_taken_over(repo_id, hub, time):
    hold(repo_id, hub, by="gone").claim(release(1))
    mine = hold(repo_id, hub, passed=time)
    with pytest.raises(errors.Locked):
        mine.check()
    time.passes(LEASE.total_seconds() + FRESH)

    mine.claim(release(1))

    assert "demo" == ledger.read(repo_id, hub).index.lock.by


# holders that died


DIE = """
import os, signal
from spaceops import Hub, ledger
from spaceops.ledger import Hold, held
from spaceops.records import Record
hub, repo_id = Hub(), os.environ["REPO"]
with held(Hold(repo_id, hub, ledger.read(repo_id, hub), "killed")) as mine:
    mine.claim(Record(number=mine.number, outcome="deploying", by="killed", started=""))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def die(localhub: LocalHub, repo_id: str, **env: str) -> None:
    """Another process takes the lock and is killed."""
    given = {"HF_ENDPOINT": localhub.url, "HF_TOKEN": localhub.token, "REPO": repo_id}
    done = subprocess.run([sys.executable, "-c", DIE], env=os.environ | given | env, check=False)
    assert -signal.SIGKILL == done.returncode


def test_the_lock_of_a_process_that_died_on_this_machine_is_taken_over_at_once(repo_id, hub, localhub):
    die(localhub, repo_id)

    with held(hold(repo_id, hub)) as mine:
        mine.claim(release(1))
        assert {mine.id} == signs()

    assert "killed" == mine.taken_from.by
    assert set() == signs()


def test_of_a_process_that_died_elsewhere_the_end_of_the_lease_is_awaited(repo_id, hub, localhub, tmp_path):
    die(localhub, repo_id, SPACEOPS_CACHE=str(tmp_path))

    with pytest.raises(errors.Locked, match="killed has been deploying"):
        hold(repo_id, hub).claim(release(1))


def test_a_file_of_another_machine_that_shares_our_home_proves_no_death(repo_id, hub, localhub):
    die(localhub, repo_id)
    sign = Path(cache_folder(), "locks", ledger.read(repo_id, hub).index.lock.id)
    sign.write_text("another-machine")

    with pytest.raises(errors.Locked):
        hold(repo_id, hub).claim(release(1))
    sign.unlink()


# answers that are lost


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize(("kind", "error"), [("reset", errors.Unreachable), ("status", errors.HubError)])
def test_a_claim_without_an_answer_leaves_no_lock(repo_id, hub, localhub, kind, error, takes_effect):
    with (
        fault(localhub, kind, repo_id, f"commit/{BRANCH}", lose_answer=takes_effect),
        pytest.raises(error),
        held(hold(repo_id, hub)) as mine,
    ):
        mine.claim(release(1))

    index = ledger.read(repo_id, hub).index
    assert ("deploying" if takes_effect else "running", None) == (index.outcome, index.lock)
    assert set() == signs()
    hold(repo_id, hub).claim(release(1))


def test_the_branch_was_made_and_nobody_was_told(repo_id, hub, localhub):
    with fault(localhub, "reset", repo_id, f"branch/{BRANCH}", lose_answer=True), pytest.raises(errors.Unreachable):
        hold(repo_id, hub).claim(release(1))

    hold(repo_id, hub).claim(release(1))


def test_an_end_without_an_answer_is_found_to_be_one(repo_id, hub, localhub):
    with held(hold(repo_id, hub)) as mine:
        mine.claim(release(1))
        with (
            fault(localhub, "reset", repo_id, f"commit/{BRANCH}", lose_answer=True),
            pytest.raises(errors.Unreachable),
        ):
            mine.finish(release(1, outcome="applied"))

    index = ledger.read(repo_id, hub).index
    assert ("applied", None) == (index.outcome, index.lock)


def test_a_renewal_without_an_answer_gives_the_lock_back(repo_id, hub, localhub, time):
    with pytest.raises(errors.Unreachable), held(hold(repo_id, hub, passed=time)) as mine:
        mine.claim(release(1))
        time.passes(HALF + 10)
        with fault(localhub, "reset", repo_id, f"commit/{BRANCH}", lose_answer=True):
            mine.keep()

    assert ledger.read(repo_id, hub).index.lock is None


def test_without_a_network_the_lock_stays_and_the_next_process_here_takes_it_over_at_once(repo_id, hub, localhub):
    with pytest.raises(ConnectionAbortedError), held(hold(repo_id, hub, by="cut off")) as mine:
        mine.claim(release(1))
        localhub.faults.add("reset")
        raise ConnectionAbortedError
    localhub.faults.clear()
    stays = ledger.read(repo_id, hub).index.lock

    hold(repo_id, hub).claim(release(1))

    assert (mine.id, "cut off") == (stays.id, stays.by)
    assert set() == signs()


# what others do meanwhile


def test_an_older_release_that_comes_out_while_a_newer_one_is_made_disturbs_nothing(repo_id, hub):
    done = released(repo_id, hub)

    with held(hold(repo_id, hub)) as mine:
        mine.claim(release(2))
        conclude(repo_id, hub, replace(done, outcome="running"))
        between = ledger.read(repo_id, hub).index
        mine.finish(release(2, outcome="applied"))

    after = ledger.read(repo_id, hub).index
    assert (2, "deploying", 1) == (between.last, between.outcome, between.good)
    assert mine.id == between.lock.id
    assert (2, "applied", 1, None) == (after.last, after.outcome, after.good, after.lock)
    assert "running" == record_of(repo_id, hub, 1).outcome


def test_a_failed_release_is_never_a_good_one(repo_id, hub):
    good, bad = released(repo_id, hub), released(repo_id, hub)
    conclude(repo_id, hub, replace(good, outcome="running"))
    conclude(repo_id, hub, replace(bad, outcome="failed", codes=("build-error",)))

    index = ledger.read(repo_id, hub).index
    assert ("failed", 1) == (index.outcome, index.good)
    assert ("build-error",) == record_of(repo_id, hub, 2).codes


def test_an_outcome_of_a_ledger_that_was_deleted_meanwhile_begins_no_new_one(repo_id, hub, api):
    released(repo_id, hub)
    done = released(repo_id, hub)
    api.delete_branch(repo_id, repo_type="space", branch=BRANCH)

    conclude(repo_id, hub, replace(done, outcome="running"))
    assert ledger.read(repo_id, hub).head is None
    released(repo_id, hub)
    conclude(repo_id, hub, replace(done, outcome="running"))

    assert (1, None) == (ledger.read(repo_id, hub).index.last, ledger.read(repo_id, hub).index.good)


def test_a_history_that_was_squashed_between_plan_and_end_keeps_the_lock(repo_id, hub, api):
    released(repo_id, hub)
    mine = hold(repo_id, hub)
    api.super_squash_history(repo_id, repo_type="space", branch=BRANCH)

    with held(mine):
        mine.claim(release(2))
        api.super_squash_history(repo_id, repo_type="space", branch=BRANCH)
        mine.finish(release(2, outcome="applied"))

    assert (2, "applied") == (ledger.read(repo_id, hub).index.last, ledger.read(repo_id, hub).index.outcome)
    assert "applied" == record_of(repo_id, hub, 1).outcome


# files that cannot be read


def test_a_ledger_of_a_newer_spaceops_is_refused_by_name(repo_id, hub, api):
    released(repo_id, hub)
    put(api, repo_id, INDEX, b'{"format": 2, "last": {"main": 9}}')

    with pytest.raises(errors.LedgerTooNew, match="has format 2, and this spaceops knows formats up to 1"):
        ledger.read(repo_id, hub)


@pytest.mark.parametrize(
    "content",
    [
        b'{"format": 1, "last": "three"}',
        b'{"format": 1',
        b"\xff",
        b'{"format": "one"}',
        b'{"format": 1, "lock": {"id": "x", "by": "y", "since": "", "until": "soon"}}',
        b'{"format": 1, "lock": {"id": "x", "by": "y", "since": "", "until": "2026-01-01T00:00:00"}}',
    ],
)
def test_a_broken_ledger_is_an_error_that_says_what_to_do(repo_id, hub, api, content):
    released(repo_id, hub)
    put(api, repo_id, INDEX, content)

    with pytest.raises(errors.SpaceopsError, match="was not written by spaceops") as caught:
        ledger.read(repo_id, hub)

    assert BRANCH in caught.value.hint


def test_a_lock_whose_id_is_a_path_leads_out_of_no_folder(repo_id, hub, api):
    outside = cache_folder() / "precious"
    outside.parent.mkdir(parents=True, exist_ok=True)
    outside.write_text("")
    released(repo_id, hub)
    now = ledger.read(repo_id, hub).now
    lock = ledger.Lock(id="../precious", by="evil", since=now.isoformat(), until=(now - LEASE).isoformat())
    put(api, repo_id, INDEX, encoded(Index(last=1, lock=lock)))

    hold(repo_id, hub).claim(release(2))

    assert outside.exists()


def test_a_space_that_moved_is_not_written_to_under_its_old_name(repo_id, hub, api):
    released(repo_id, hub)
    mine = hold(repo_id, hub)
    api.move_repo(repo_id, f"{repo_id}-moved", repo_type="space")

    with pytest.raises(errors.NotFound, match="has another name now"):
        mine.claim(release(2))

    assert 1 == ledger.read(f"{repo_id}-moved", hub).index.last


def test_no_claim_is_made_that_follows_no_commit():
    """A Hub that does not tell the branch's head would let anybody take the lock from anybody."""
    with scripted() as server:
        server.answers |= {"/api/spaces/ada/app/branch/spaceops": Answer(409, b'{"error": "it exists"}')}
        hub = Hub(server.url, token="hf_x")
        hold = Hold("ada/app", hub, ledger.read("ada/app", hub), "demo")

        with pytest.raises(errors.HubError, match="does not tell at which commit"):
            hold.claim(release(1))

        assert not [path for _, path, _ in server.asked if "/commit/" in path]


def test_where_the_history_cannot_be_forgotten_nothing_is_made_public(repo_id, hub, localhub):
    private = fault(localhub, "status", repo_id, f"super-squash/{BRANCH}", status=501)

    with held(hold(repo_id, hub)) as mine:
        mine.claim(release(1))
        with private, pytest.raises(errors.HubError, match="may hold lines of logs") as caught:
            mine.forget_evidence()

    assert "Delete the branch" in caught.value.hint
