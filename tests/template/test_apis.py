"""Every task's API against its own description: whatever schemathesis sends, the answer is declared, and no 5xx."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings

from spaceops.tasks import TASKS
from spaceops.template import new
from tests.template.serving import App

pytestmark = pytest.mark.apps

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of what schemathesis imports
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

EXAMPLES = 8  # of each operation and mode
LIMITS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,  # the same requests in every run: a failure can be repeated
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module", params=TASKS)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app of a task, with its default model loaded."""
    with App(new(tmp_path_factory.mktemp("apis") / request.param, task=request.param)) as app:
        yield app


@pytest.mark.parametrize("mode", GenerationMode)
def test_answers_are_as_declared(app: App, mode: GenerationMode):
    """Also those about a job that there is: the last one that was taken."""
    operations = [
        result.ok() for result in schemathesis.openapi.from_url(f"{app.url}/openapi.json").get_all_operations()
    ]
    jobs: list[str] = []
    with requests.Session() as session:
        session.trust_env = False
        tried = [try_out(operation, mode, session, jobs) for operation in operations]
        about_jobs = [operation for operation in operations if "{job_id}" in operation.path]
        for operation in about_jobs if mode is GenerationMode.POSITIVE else ():
            session.get(f"{app.url}/jobs/{jobs[-1]}?wait=10").raise_for_status()
            tried.append(try_out(operation, mode, session, jobs, path_parameters={"job_id": jobs[-1]}))

    assert sum(tried) >= (5 if mode is GenerationMode.POSITIVE else 1)
    assert "Traceback" not in app.log()


def try_out(operation, mode: GenerationMode, session: requests.Session, jobs: list[str], **fixed) -> bool:
    """Send requests to one operation; False if none can be wrong: any text is an id."""
    if mode is GenerationMode.NEGATIVE and not (list(operation.body) or list(operation.query)):
        return False

    @LIMITS
    @given(operation.as_strategy(mode, **fixed))
    def answer_is_as_declared(case):
        response = case.call_and_validate(session=session, excluded_checks=not_checked(case))
        if response.status_code == 202:
            jobs.append(response.json()["id"])

    answer_is_as_declared()
    return True


def not_checked(case) -> list:
    """The schema takes " " for a text of one character; it is none. And a number, sent as a file, is a file."""
    return [positive_data_acceptance, *([negative_data_rejection] if case.media_type == "multipart/form-data" else [])]
