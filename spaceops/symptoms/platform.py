"""What the Hub itself says of a Space: its stage, the reason of a failure, its page."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import EVERYWHERE, refusal, said

_VAGUE = ("space-in-error-503", "sse-not-enabled")
_MEMORY_SAID = (*_VAGUE, "launch-timeout")

SYMPTOMS: tuple[Symptom, ...] = (
    # --- scheduling and machines ---
    said(
        code="scheduling-failure",
        needles=("Scheduling failure", "unable to schedule", "hardware capacity", "Unschedulable"),
        pattern=r"Scheduling failure|[Uu]nable to schedule|(?:not enough|[Ii]nsufficient) hardware capacity|"
        r"Unschedulable",
        message="The Hub found no free machine of the hardware that you chose, so the Space did not start; your files "
        "have no part in it",
        hint="Restart the Space (it often works within minutes), or choose other hardware and restart.",
        examples=(
            "Scheduling failure: unable to schedule",
            "Scheduling failure: not enough hardware capacity",
            "Error: not enough hardware capacity for a100-large",
        ),
        unlike=("Scheduler started",),
        explains=_VAGUE,
    ),
    said(
        code="containerd-128",
        places=(Place.SAID, Place.RUN),
        needles=("failed to create containerd task", "failed to create shim task", "Exit code: 128"),
        pattern=r"^(?!.{0,600}(?:exec: |executable file not found|no such file|"
        r"unable to find user)).{0,600}(?:failed to create (?:containerd|shim) task|\bExit code: 128\b)",
        message="The machine that should have started the Space had a fault of its own (exit code 128); your files "
        "have no part in it",
        hint="Restart the Space; if it comes again, ask for a factory rebuild, then look at status.huggingface.co.",
        examples=(
            "Exit code: 128. Reason: failed to create containerd task: failed to create shim task: context canceled",
            "failed to create containerd task: failed to create shim task: deadline exceeded: unknown",
        ),
        unlike=(
            'failed to create shim task: OCI runtime create failed: runc create failed: exec: "uvicorn": executable '
            "file not found in $PATH: unknown",
        ),
        explains=_VAGUE,
    ),
    said(
        code="platform-build-128",
        places=(Place.SAID, Place.BUILD),
        needles=("failed with exit code: 128", "cloning repository"),
        pattern=r"(?:[Jj]ob|[Bb]uild) failed with exit code: 128\b|[Ee]rror (?:while )?cloning (?:the )?repository",
        message="The Hub could not fetch the Space's files to build them (exit code 128), before the first line of "
        "the Dockerfile ran",
        hint="Ask for one factory rebuild (Settings, Factory rebuild); if it fails again, look at "
        "status.huggingface.co, and whether the Space's repository holds more than 1 GB.",
        examples=(
            "Job failed with exit code: 128. Reason: Error",
            "Error while cloning repository",
            "build error: Job failed with exit code: 128",
        ),
        unlike=("Job failed with exit code: 1. Reason: cache miss: [2/4] RUN x",),
        explains=("cache-miss-not-a-cause", *_VAGUE),
    ),
    said(
        code="platform-registry-push",
        places=(Place.SAID, Place.BUILD),
        needles=("failed to push", "spaces-registry", "Unexpected job error"),
        pattern=r"failed to push (?!some refs).{0,200}(?:registry|huggingface)|(?:unexpected status|"
        r"failed to do request|error|denied).{0,200}spaces-registry|Unexpected job error",
        message="The image was built, but the Hub could not store it: a fault of the platform, not of your files",
        hint="Wait some minutes and restart the build (Settings, Factory rebuild); look at status.huggingface.co.",
        examples=(
            "--> ERROR: failed to push spaces-registry.huggingface.tech/acme/demo:cpu-1: 401 Unauthorized",
            "Unexpected job error",
            "error: failed to solve: unexpected status from POST request to "
            "https://spaces-registry.huggingface.tech/v2/acme/blobs/uploads/: 500 Internal Server Error",
        ),
        unlike=("--> Pushing image", "error: failed to push some refs to 'https://huggingface.co/spaces/acme/demo'"),
        explains=("cache-miss-not-a-cause", *_VAGUE),
    ),
    said(
        code="build-cancelled-143",
        severity=Severity.WARNING,
        places=(Place.SAID, Place.BUILD),
        needles=("failed with exit code: 143", "context canceled", "Build cancelled", "Build canceled", "CANCELED"),
        pattern=r"(?:[Jj]ob|[Bb]uild) failed with exit code: 143\b|failed to solve: .{0,200}(?:context canceled|"
        r"Canceled)|Build (?:was )?cancell?ed|ERROR: .{0,100}context canceled",
        message="The build was stopped from outside (exit code 143): a newer push took its place, or it took too long",
        hint="Look at the newest build; if this was it, push again or ask for a factory rebuild.",
        examples=(
            "Job failed with exit code: 143",
            "Build failed with exit code: 143",
            "error: failed to solve: Canceled: context canceled",
            "Build cancelled: superseded by a newer commit",
        ),
        unlike=("=> CANCELED [2/3] RUN pip install",),
        explains=("cache-miss-not-a-cause", *_VAGUE),
    ),
    said(
        code="hf-mount-failed",
        fault=Fault.YOURS,
        needles=("hf-mount", "volume mount"),
        pattern=r"Initialization step 'hf-mount' failed|hf-mount.{0,80}(?:fail|error)|failed to (?:mount|"
        r"attach) volume",
        message="A volume of the Space could not be attached: its bucket or repository was renamed or deleted, your "
        "account may not read it, or the platform failed",
        hint="Check that each source under [[volumes]] in space.toml exists and that you may read it; if all do, "
        "restart the Space.",
        examples=(
            "Initialization step 'hf-mount' failed with exit code: 1",
            "Initialization step 'hf-mount' failed with exit code: 32",
            "hf-mount: error: bucket acme/state not found",
        ),
        explains=_VAGUE,
    ),
    said(
        code="initialization-failed",
        needles=("Initialization step",),
        pattern=r"Initialization step '(?P<step>(?!hf-mount')[^']{1,60})' failed",
        message="The platform's own step {step}, which comes before your app is started, failed",
        hint="Restart the Space; if it comes again, look at status.huggingface.co.",
        examples=("Initialization step 'download-repo' failed with exit code: 1",),
        explains=_VAGUE,
    ),
    # --- start ---
    said(
        code="launch-timeout",
        fault=Fault.YOURS,
        needles=("Launch timed out", "workload was not healthy"),
        pattern=r"Launch timed out|workload was not healthy",
        message="Nothing answered on the Space's port in the time that a start may take, so the Hub gave up: the "
        "server listens on another port or on 127.0.0.1 only, or it does something long before it listens",
        hint="Let the server listen on 0.0.0.0 and on app_port of README.md at once, load models afterwards; a start "
        "that must take long needs `startup_duration_timeout: 1h` in README.md.",
        examples=(
            "Launch timed out, workload was not healthy after 30 min",
            "Launch timed out, workload was not healthy after 60 min",
            "error: workload was not healthy after 1800s",
        ),
        explains=_VAGUE,
    ),
    said(
        code="memory-limit",
        fault=Fault.YOURS,
        needles=("Memory limit exceeded",),
        pattern=r"Memory limit exceeded \((?P<limit>[^)]{1,20})\)",
        message="The app took more memory than the hardware has ({limit}), so the Hub stopped it",
        hint="Run fewer workers (`--workers 1`), load a smaller or quantised model, or choose hardware with more "
        "memory "
        '(`hardware = "cpu-upgrade"` has 32 GB).',
        examples=(
            "Memory limit exceeded (16Gi)",
            "Memory limit exceeded (32Gi)",
            "Error: Memory limit exceeded (16 GB)",
        ),
        explains=_MEMORY_SAID,
    ),
    said(
        code="memory-limit",
        fault=Fault.YOURS,
        needles=("Exit code: 137", "OOMKilled"),
        pattern=r"^(?!.{0,20}(?:[Jj]ob|[Bb]uild) failed).{0,60}(?:\bExit code: 137\b|OOMKilled)",
        message="The app was killed for taking more memory than the hardware has (exit code 137)",
        hint="Run fewer workers (`--workers 1`), load a smaller or quantised model, or choose hardware with more "
        "memory "
        '(`hardware = "cpu-upgrade"` has 32 GB).',
        examples=("Exit code: 137. Reason:", "Exit code: 137. Reason: OOMKilled"),
        unlike=("Job failed with exit code: 137. Reason: OOMKilled", "Exit code: 1. Reason:"),
        explains=_MEMORY_SAID,
    ),
    said(
        code="storage-evicted",
        fault=Fault.YOURS,
        places=(Place.SAID, Place.RUN),
        needles=("storage limit exceeded", "ephemeral-storage", "ephemeral storage"),
        pattern=r"(?:evicted|ephemeral).{0,60}storage limit exceeded|ephemeral[- ]storage.{0,80}exceed|"
        r"exceed.{0,80}ephemeral[- ]storage",
        message="The Space wrote more to its disk than the hardware allows, so the Hub stopped it",
        hint="Delete temporary files and caches as you go, keep data in a bucket volume ([[volumes]] in space.toml), "
        "or choose hardware with a larger disk.",
        examples=(
            "Workload evicted, storage limit exceeded (50G)",
            "Pod ephemeral local storage usage exceeds the total limit: ephemeral-storage limit exceeded",
            "Workload evicted, storage limit exceeded (500G)",
        ),
        explains=(*_VAGUE, "disk-full", "launch-timeout"),
    ),
    said(
        code="segmentation-fault",
        fault=Fault.DEPENDENCY,
        needles=("Exit code: 139",),
        pattern=r"\bExit code: 139\b",
        message="The app was ended by the system for reading memory that is not its own (exit code 139): a fault in a "
        "compiled library, or two that do not fit each other",
        hint="Look at the last line of the log for the library that was loading, and pin it (and numpy or torch "
        "beside it) to versions that are known to work together.",
        examples=("Exit code: 139. Reason:",),
        unlike=("Exit code: 13. Reason:",),
        explains=_MEMORY_SAID,
    ),
    said(
        code="illegal-instruction",
        fault=Fault.DEPENDENCY,
        needles=("Exit code: 132",),
        pattern=r"\bExit code: 132\b",
        message="The app uses a command that the machine's processor does not have (exit code 132): a library was "
        "compiled for another processor",
        hint="Install the library from its published wheel instead of compiling it, or compile without "
        "`-march=native`.",
        examples=("Exit code: 132. Reason:",),
        explains=_MEMORY_SAID,
    ),
    said(
        code="script-not-executable",
        fault=Fault.YOURS,
        needles=("Exit code: 126",),
        pattern=r"\bExit code: 126\b",
        message="The start command was found but may not be run (exit code 126): the file is not marked executable",
        hint='Start it through its interpreter, `CMD ["bash", "start.sh"]`, or add `RUN chmod +x start.sh` above USER.',
        examples=("Exit code: 126. Reason:",),
        explains=_MEMORY_SAID,
    ),
    said(
        code="command-not-found",
        fault=Fault.YOURS,
        needles=("Exit code: 127",),
        pattern=r"\bExit code: 127\b",
        message="The start command names a program that is not in the image (exit code 127)",
        hint="Install it in the Dockerfile, or name it as it is: `python -m uvicorn …` works wherever uvicorn is "
        "installed.",
        examples=("Exit code: 127. Reason:",),
        explains=_MEMORY_SAID,
    ),
    said(
        code="cmd-missing",
        fault=Fault.YOURS,
        needles=("Exit code: 0",),
        pattern=r"\bExit code: 0\b",
        message="The app's process ended by itself without an error: there is no CMD that starts a server, or the "
        "start script ends while its programs run in the background",
        hint="End the Dockerfile with the CMD that starts the server; let a start script end with `exec SERVER`, or "
        "with `wait -n` after the programs that it starts with `&`.",
        examples=("Exit code: 0. Reason:", "Exit code: 0. Reason: application does not seem to be initialized"),
        unlike=("Exit code: 01",),
        explains=_VAGUE,
    ),
    # --- policy and state ---
    said(
        code="flagged-as-abusive",
        fault=Fault.POLICY,
        needles=("abuse",),
        pattern=r"^abuse (?:Blocked by abuse-handler by rule: )?(?P<reason>\S.{0,300})",
        message="The Hub paused the Space because an automatic check takes what it runs for abuse ({reason})",
        hint="Remove the tool that the check names from the Dockerfile and the scripts, then write to "
        "website@huggingface.co; a restart is refused until then.",
        examples=(
            "abuse Blocked by abuse-handler by rule: Cast AI Alert: suspicious_binary:vnc_server - VNC server related "
            "command line arguments",
            "abuse crypto miner",
        ),
        unlike=("abuse ", "Flagged as abusive"),
        explains=(*_VAGUE, "paused"),
    ),
    said(
        code="flagged-as-abusive",
        fault=Fault.POLICY,
        needles=("Flagged as abusive", "flagged as abusive", "abuse-handler", "abuse"),
        pattern=r"[Ff]lagged as abusive|abuse-handler|^abuse\b",
        message="The Hub paused the Space because an automatic check takes what it runs for abuse: remote desktops, "
        "web shells, proxies, tunnels, miners and chat bots are typical reasons",
        hint="Remove the tool from the Dockerfile and the scripts, then write to website@huggingface.co; a restart is "
        "refused until then.",
        examples=(
            "Flagged as abusive",
            "abuse Blocked by abuse-handler by rule: vnc",
            "This Space has been flagged as abusive",
        ),
        explains=(*_VAGUE, "paused"),
    ),
    said(
        code="paused",
        severity=Severity.WARNING,
        fault=Fault.YOURS,
        needles=("space is paused", "Space is paused", "Space has been paused", "PAUSED"),
        pattern=r"[Ss]pace (?:is|has been) paused|^stage PAUSED\b",
        message="The Space is paused: its owner, the billing or the Hub stopped it, and it stays so until somebody "
        "with write access restarts it",
        hint="Restart it (`spaceops restart {repo_id}`).",
        examples=(
            "The space is paused, ask a maintainer to restart it",
            "stage PAUSED",
            "This Space has been paused by its owner.",
        ),
        explains=("space-in-error-503",),
    ),
    said(
        code="sleeping",
        severity=Severity.INFO,
        needles=("SLEEPING", "STOPPED", "is sleeping", "is asleep"),
        pattern=r"^stage (?:SLEEPING|STOPPED)\b|[Ss]pace is (?:sleeping|asleep)",
        message="The Space sleeps because nobody used it (48 hours on cpu-basic); the next visit starts it again",
        hint="Open its page or restart it; on paid hardware set `sleep_time` in space.toml.",
        examples=("stage SLEEPING", "stage STOPPED", "This Space is sleeping due to inactivity."),
        explains=("space-in-error-503",),
    ),
    said(
        code="space-in-error-503",
        severity=Severity.INFO,
        places=EVERYWHERE,
        needles=("space is in error", "Space is in error"),
        pattern=r"\b[Ss]pace is in error\b",
        message="The app's address says only that the Space failed; the cause stands in what the Hub says of it and "
        "in its logs",
        hint="Run `spaceops diagnose {repo_id}`, or give it the saved logs (`--build-log`, `--run-log`).",
        examples=("Your space is in error, check its status on hf.co", "HTTP 503: Your space is in error"),
    ),
    said(
        code="sse-not-enabled",
        severity=Severity.INFO,
        places=EVERYWHERE,
        needles=("SSE is not enabled", "to retrieve error logs", "to fetch error logs"),
        pattern=r"SSE is not enabled|Failed to (?:retrieve|fetch) error logs",
        message="The page could not show the logs, because you are not signed in as an owner or no container was "
        "started; that says nothing of the cause",
        hint="Sign in as an owner and run `spaceops logs {repo_id}`, with `--build` for the log of the build.",
        examples=(
            "Failed to retrieve error logs: SSE is not enabled",
            "Failed to retrieve error logs: Failed to initialize stream (code 404)",
        ),
    ),
    said(
        code="cache-miss-not-a-cause",
        places=(Place.SAID, Place.BUILD),
        fault=Fault.YOURS,
        needles=("Reason: cache miss", "cache miss"),
        pattern=r"Reason: cache miss|\bcache miss: \[",
        message='A step of the build failed; the "cache miss" that the Hub names is only a list of steps that it had '
        "to run, not the reason",
        hint="Read the end of the build log, from the last `-->` line on: `spaceops logs {repo_id} --build`.",
        examples=(
            "Job failed with exit code: 1. Reason: cache miss: [5/8] RUN pip install -r requirements.txt",
            "cache miss: [2/6] WORKDIR /app",
        ),
        unlike=("npm cache missing",),
        explains=_VAGUE,
    ),
    # --- configuration ---
    said(
        code="front-matter-missing",
        places=(Place.SAID, Place.BUILD),
        fault=Fault.YOURS,
        needles=("Missing configuration in README", "configuration in README"),
        pattern=r"[Mm]issing configuration in README",
        message="README.md does not begin with the block between two lines `---` that tells the Hub what kind of "
        "Space this is (often because a README from elsewhere was pushed over it)",
        hint="Write at the very top of README.md, each on its own line: `---`, `title: My app`, `sdk: docker`, "
        "`app_port: 7860`, `---`.",
        examples=("Missing configuration in README", "Error: Missing configuration in README.md"),
        explains=_VAGUE,
    ),
    said(
        code="app-file-missing",
        fault=Fault.YOURS,
        places=(Place.SAID, Place.BUILD),
        needles=(
            "NO_APP_FILE",
            "No application file",
            "failed to read dockerfile",
            "Cannot locate Dockerfile",
            "open Dockerfile",
        ),
        pattern=r"NO_APP_FILE|No application file|failed to read dockerfile: open \S{1,200}: no such file|"
        r"Cannot locate Dockerfile|open Dockerfile: no such file",
        message="The Space has no file named exactly `Dockerfile` at the top of its repository, so there is nothing "
        "to build",
        hint="Name it `Dockerfile` (capital D, no ending), put it beside README.md and push.",
        examples=(
            "stage NO_APP_FILE",
            "No application file",
            "error: failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory",
        ),
        explains=(*_VAGUE, "cache-miss-not-a-cause"),
    ),
    said(
        code="variable-secret-collision",
        fault=Fault.YOURS,
        needles=("Collision on variables", "variables and secrets names"),
        pattern=r"Collision on variables (?:and|/) secrets",
        message="The Space has a variable and a secret of the same name, so the Hub does not start it",
        hint="Delete the variable (`spaceops variables delete {repo_id} NAME`), keep the secret, and restart.",
        examples=("Collision on variables and secrets names", "Collision on variables and secrets names: HF_TOKEN"),
        explains=_VAGUE,
    ),
    refusal(
        code="hardware-unavailable",
        severity=Severity.WARNING,
        needles=("hardware", "flavor", "Hardware", "Flavor"),
        pattern=r"(?i)\b(?:hardware|flavor)\b.{0,80}(?:not available|unavailable|not supported|is invalid|no longer|"
        r"must be one of|not offered)|invalid (?:hardware|flavor)",
        message="The hardware that the Space asks for is not offered: it is misspelled, or the Hub does not have it "
        "any more",
        hint="Choose one that the Hub lists (`spaceops hardware ls`) and write it as `hardware` in space.toml.",
        examples=(
            "Requested hardware h100 is not available",
            'Invalid hardware "t4-smal"',
            '"flavor" must be one of [cpu-basic, cpu-upgrade, t4-small]',
        ),
        unlike=("Scheduling failure: not enough hardware capacity",),
        explains=_VAGUE,
    ),
)
