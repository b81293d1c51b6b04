"""The usual slips in a Dockerfile: what to do about an instruction that BuildKit does not know or take."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from spaceops.dockerfile.instructions import FLAGS, KEYWORDS

_PROGRAMS = (
    "apk apt apt-get bash bun cargo cat cd chmod chown conda cp curl dnf docker echo export ffmpeg flask gcc git go "
    "groupadd gunicorn java ln ls make mkdir mv nginx node npm npx pip pip3 playwright pnpm poetry pytest python "
    "python3 rm sed set sh source streamlit sudo tar test touch unzip useradd uv uvicorn wget yarn yum"
)
PROGRAMS = frozenset(_PROGRAMS.split())
_OPEN_LIST = re.compile(r"\s*(?:CMD|ENTRYPOINT|RUN|COPY|ADD|SHELL|VOLUME)\s+\[[^]]*$", re.IGNORECASE)
_COMMENT = re.compile(r"\s#")


def hint_for(problem: str, lines: Sequence[str], at: int) -> str | None:
    """What to write instead, for the problem of the instruction that begins at `lines[at]`; None: no idea."""
    kind, _, rest = problem.partition(": ")
    if kind == "unknown instruction":
        return _for_unknown(rest, lines, at)
    if kind == "unknown flag":
        return _for_flag(rest.removeprefix("--"), lines[at])
    if _COMMENT.search(lines[at]):
        return f"A comment needs a line of its own: move the text from # on out of line {at + 1}."
    if problem.startswith("failed to process"):
        return f"Close the quote or the brace in line {at + 1}, or put the value between double quotes."
    if "can't find = in" in problem:
        return "Write NAME=value without spaces around =, and a value with spaces between double quotes."
    if problem.startswith("FROM requires"):
        return "Write FROM image:tag, or FROM image:tag AS name."
    return _for_form(problem)


def _for_form(problem: str) -> str | None:
    if problem.startswith("SHELL requires the arguments"):
        return 'Write a list in double quotes: SHELL ["/bin/bash", "-c"].'
    if "must be comprised of strings" in problem:
        return 'Put every entry between double quotes, numbers too: ["--port", "7860"].'
    if problem.startswith("invalid containerPort"):
        return "Write port numbers only, separated by spaces: EXPOSE 7860. The Hub does not read EXPOSE."
    if problem.startswith("Unknown type"):
        return "Write HEALTHCHECK [OPTIONS] CMD command."
    if "--from" in problem:
        return "Write FROM ${NAME} AS source above this stage, and COPY --from=source here."
    return None


def _for_unknown(word: str, lines: Sequence[str], at: int) -> str:
    number = at + 1
    above = next((place for place in range(at - 1, -1, -1) if lines[place].strip()), None)
    before = lines[above].rstrip() if above is not None else ""
    if word.startswith(("```", "~~~")):
        return f"Line {number} is a Markdown fence, pasted in with the text: remove it."
    if re.match(r"<{7}|={7}|>{7}", word):
        return f"Line {number} is a mark of a merge conflict: keep one of the two versions and remove the marks."
    if re.search(r"\\\s*#", before):
        return f"Nothing may follow the \\ at the end of line {at}: give the comment a line of its own."
    if re.search(r"(?<=[\s\w])/$", before) and above is not None:
        return f"End line {above + 1} with \\ and not with /: it goes on in the next line."
    if _list_is_open(lines, at):
        return "Write the list on one line, or end each of its lines but the last with \\."
    if word.startswith(("&&", "||", "|", "-", ";")) and above is not None:
        return f"Line {number} belongs to the one above it: end line {above + 1} with \\."
    if word.upper() == word.lower():
        return f"Every line begins with an instruction, or with # for a comment: remove or mend line {number}."
    return _for_word(word, lines[at].strip())


def _for_word(word: str, line: str) -> str:
    if word.lower() in PROGRAMS:
        return f"Write RUN before a command: RUN {line}"
    near = difflib.get_close_matches(word.upper(), KEYWORDS, n=1)
    if near:
        return f"Did you mean {near[0]}?"
    if re.match(r"[A-Za-z_]\w*=", line):
        return f"Write ENV before a variable: ENV {line}"
    return (
        "Every line begins with an instruction such as RUN, COPY or CMD; end a line that goes on in the next with \\."
    )


def _list_is_open(lines: Sequence[str], at: int) -> bool:
    """Whether a list in JSON form began above and has no end there."""
    for place in range(at - 1, max(at - 20, -1), -1):
        if "]" in lines[place]:
            return False
        if _OPEN_LIST.match(lines[place]):
            return True
    return False


def _for_flag(name: str, line: str) -> str | None:
    keyword = line.split(None, 1)[0].upper() if line.strip() else ""
    known = FLAGS.get(keyword, frozenset())
    near = difflib.get_close_matches(name.lower(), known, n=1)
    if near:
        return f"Did you mean --{near[0]}?"
    if known:
        return f"{keyword} takes {', '.join(f'--{one}' for one in sorted(known))}."
    return f"{keyword} takes no flags."
