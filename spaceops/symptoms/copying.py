"""Files that COPY and ADD do not find."""

from __future__ import annotations

from spaceops.symptoms import Symptom
from spaceops.symptoms.kinds import VAGUE_IN_BUILDS, build_failure

_NOT_FOUND = ("failed to calculate checksum", "failed to compute cache key", "failed to walk")

SYMPTOMS: tuple[Symptom, ...] = (
    # --- COPY and ADD ---
    build_failure(
        code="copy-shell-syntax",
        needles=_NOT_FOUND,
        pattern=r"\"/?(?:.{0,80}/)?(?P<word>\|\||&&|2>(?:/dev/null|&1)?|>|true|null)\"(?::| ).{0,20}not found",
        message="A COPY line holds `{word}` as on a command line, but no shell reads COPY, so it is taken for the "
        "name of a file",
        hint="Take `2>/dev/null || true` out of the COPY line; for a folder that may be missing, keep an empty "
        "`.gitkeep` in it.",
        examples=(
            '--> ERROR: failed to calculate checksum of ref a1b2::c3d4: "/||": not found',
            'failed to compute cache key: "/2>/dev/null" not found: not found',
            '--> ERROR: failed to calculate checksum of ref a1b2::c3d4: "/true": not found',
        ),
        unlike=('--> ERROR: failed to calculate checksum of ref a1b2::c3d4: "/main.py": not found',),
        explains=(*VAGUE_IN_BUILDS, "copy-source-missing"),
    ),
    build_failure(
        code="copy-outside-context",
        needles=(
            "outside the build context",
            "outside of the build context",
            "outside context",
            "outside build context",
        ),
        pattern=r"(?:[Ff]orbidden path )?outside (?:of )?(?:the )?(?:build )?context",
        message="COPY names a file outside of the Space's repository, and a build sees only what is inside",
        hint="Move the file into the repository and write its path from there, without `../`.",
        examples=(
            "COPY failed: forbidden path outside the build context: ../requirements.txt ()",
            "error: Forbidden path outside the build context: ../shared",
        ),
        explains=(*VAGUE_IN_BUILDS, "copy-source-missing"),
    ),
    build_failure(
        code="copy-from-stage-missing",
        needles=("invalid from flag value", "COPY --from", "failed to calculate checksum of ref"),
        pattern=r"invalid from flag value (?P<stage>\S{1,100})|COPY --from=(?P<from>\S{1,100}).{0,300}(?:not found|"
        r"no such file|did not complete)",
        message="COPY --from takes a file from a stage or image that is not there: the stage has another name, or its "
        "step did not make the file",
        hint="Compare the name with the `AS NAME` of the stage, and look whether the command that should make the "
        "file says so (take out a `|| true` that hides its failure).",
        examples=(
            "error: failed to solve: invalid from flag value biulder: pull access denied, repository does not exist",
            "COPY --from=build /root/.cache/huggingface /cache: failed to calculate checksum: "
            '"/root/.cache/huggingface" '
            "not found",
        ),
        unlike=("--> COPY --from=build /app /app",),
        explains=(*VAGUE_IN_BUILDS, "copy-source-missing", "base-image-not-found"),
    ),
    build_failure(
        code="copy-from-stage-missing",
        needles=_NOT_FOUND,
        pattern=r"\"(?P<path>/(?:root|usr|opt|home|var|tmp|etc|root/\.local|venv)/[^\"]{1,300})\"(?::|"
        r" ).{0,20}not found",
        message="COPY takes {path} from an earlier stage, and no step of that stage made it",
        hint="Look at the command of that stage that should make {path}: it may have failed behind a `|| true`, or "
        "put it elsewhere. `RUN mkdir -p {path}` in that stage makes an empty one.",
        examples=(
            '--> ERROR: failed to calculate checksum of ref a1b2::c3d4: "/root/.cache/huggingface": not found',
            'failed to compute cache key: "/usr/local/lib/python3.11/site-packages" not found: not found',
        ),
        unlike=('--> ERROR: failed to calculate checksum of ref a1b2::c3d4: "/requirements.txt": not found',),
        explains=(*VAGUE_IN_BUILDS, "copy-source-missing"),
    ),
    build_failure(
        code="copy-source-missing",
        needles=_NOT_FOUND,
        pattern=r"\"(?P<path>/?[^\"]{1,300})\"(?:: not found| not found: not found| not found)",
        message="The Dockerfile copies {path}, but the Space's repository has no such file",
        hint="Push the file (capital letters count, and .gitignore or .dockerignore may leave it out), or take it out "
        "of the COPY line.",
        examples=(
            '--> ERROR: failed to calculate checksum of ref kx2::p9q: "/requirements.txt": not found',
            'failed to compute cache key: "/start.sh" not found: not found',
            'failed to solve: failed to compute cache key: failed to calculate checksum of ref "m1::n2": "/static": '
            "not found",
        ),
    ),
    build_failure(
        code="copy-source-missing",
        needles=(
            "COPY failed",
            "ADD failed",
            "failed to walk",
            "failed to get fileinfo",
            "no source files were specified",
            "no items matching glob",
            "copier: stat",
        ),
        pattern=r"(?:COPY|ADD) failed: (?:stat |"
        r"file not found in build context or excluded by \.dockerignore: stat )?(?P<path>(?!forbidden)[^\s:]{1,300})|"
        r"failed to walk \S{1,200}: lstat (?P<p2>\S{1,300}): no such|(?:copier: stat|failed to get fileinfo for|"
        r"no items matching glob):? .{1,300}(?:no such file|copied)|no source files were specified",
        message="The Dockerfile copies a file that the Space's repository does not have, or that .dockerignore leaves "
        "out",
        hint="Push the file (capital letters count), or take it out of the COPY line.",
        examples=(
            "COPY failed: file not found in build context or excluded by .dockerignore: stat app/main.py: file does "
            "not exist",
            "failed to walk /tmp/buildkit-mount305/config: lstat /tmp/buildkit-mount305/config: no such file or "
            "directory",
            'Error: building at STEP "COPY x /x": copier: stat: "/x": no such file or directory',
            "error building image: failed to get fileinfo for /kaniko/0/app: lstat /kaniko/0/app: no such file or "
            "directory",
        ),
    ),
    build_failure(
        code="dockerignore-excludes",
        needles=("CopyIgnoredFile",),
        pattern=r"CopyIgnoredFile: Attempting to (?:Copy|Add) file \"(?P<path>[^\"]{1,300})\" that is excluded",
        message="The Dockerfile copies {path}, but .dockerignore leaves it out",
        hint="Write `!{path}` as the last line of .dockerignore, or take out the line that leaves it out.",
        examples=(
            'CopyIgnoredFile: Attempting to Copy file "requirements.txt" that is excluded by .dockerignore (line 4)',
        ),
        explains=(*VAGUE_IN_BUILDS, "copy-source-missing"),
    ),
)
