"""`python -m tests.contract ENDPOINT [WORDS]`: make the calls, as the bearer of HF_TOKEN, and print what came of them.

WORDS (a regular expression) limits them to some, and to those that these need. What was made is deleted at the end,
however it ends.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

import huggingface_hub

from tests.contract import repo_calls, space_calls  # noqa: F401  they fill CALLS, in this order
from tests.contract.call import CALLS, Call
from tests.contract.recording import Outcome
from tests.contract.session import Session


def main() -> int:
    """One run."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not os.environ.get("HF_TOKEN"):
        sys.stderr.write("HF_TOKEN is not set\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="spaceops-contract-") as folder:
        session = Session(sys.argv[1], os.environ["HF_TOKEN"], Path(folder))
        outcomes: dict[str, Outcome] = {}
        try:
            for call in chosen(sys.argv[2] if len(sys.argv) > 2 else ""):
                make(call, session, outcomes)
        finally:
            left = list(session.clean_up())
    sys.stderr.writelines(f"not deleted: {line}\n" for line in left)
    print(json.dumps({"client": huggingface_hub.__version__, "calls": {k: o.as_dict() for k, o in outcomes.items()}}))
    return 1 if left else 0


def chosen(words: str) -> list[Call]:
    """The calls whose name matches, and those without which they make no sense."""
    wanted = {call.name for call in CALLS if re.search(words, call.name)}
    for call in reversed(CALLS):
        if call.name in wanted and call.needs:
            wanted.add(call.needs)
    return [call for call in CALLS if call.name in wanted]


def make(call: Call, session: Session, outcomes: dict[str, Outcome]) -> None:
    """Make one call, unless what it needs is not there."""
    if call.needs and (call.needs not in outcomes or outcomes[call.needs].ended != "ok"):
        return
    began = time.perf_counter()
    outcomes[call.name] = session.outcome_of(call.make)
    sys.stderr.write(f"{time.perf_counter() - began:6.2f} s  {call.name}: {outcomes[call.name].ended}\n")


if __name__ == "__main__":
    sys.exit(main())
