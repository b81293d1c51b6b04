"""What the symptoms of one kind have in common: each is a `Symptom` that lacks the rest.

A failure that is known explains what the Hub says of any: that a layer was not in the cache, that nothing answered in
time, that the Space is in error.
"""

from __future__ import annotations

from functools import partial

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom

VAGUE_IN_BUILDS = ("cache-miss-not-a-cause", "space-in-error-503", "sse-not-enabled")
VAGUE_IN_RUNS = (
    "launch-timeout",
    "space-in-error-503",
    "sse-not-enabled",
    "dead-on-signal",
    "worker-failed-to-boot",
    "supervisor-gave-up",
    "nginx-upstream-502",
)
INSTALL = (*VAGUE_IN_BUILDS, "pip-wheel-build-failed")  # what a package explains that cannot be installed
VAGUE = (*VAGUE_IN_BUILDS, *VAGUE_IN_RUNS)
EVERYWHERE = (Place.SAID, Place.BUILD, Place.RUN)

build_failure = partial(
    Symptom, severity=Severity.ERROR, fault=Fault.YOURS, places=(Place.BUILD,), explains=VAGUE_IN_BUILDS
)
crash = partial(Symptom, severity=Severity.ERROR, fault=Fault.YOURS, places=(Place.RUN,), explains=VAGUE_IN_RUNS)
failure = partial(  # of what a build may run, and an app too
    Symptom,
    severity=Severity.ERROR,
    fault=Fault.YOURS,
    places=(Place.BUILD, Place.RUN),
    explains=VAGUE,
)
refusal = partial(  # an answer of the Hub to a push or a request, wherever it was written down
    Symptom, severity=Severity.ERROR, fault=Fault.YOURS, places=(Place.SAID, Place.BUILD)
)
said = partial(Symptom, severity=Severity.ERROR, fault=Fault.PLATFORM, places=(Place.SAID,))
trouble = partial(Symptom, severity=Severity.WARNING, fault=Fault.YOURS, places=(Place.RUN,))  # of an app that runs
