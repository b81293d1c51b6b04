"""What the Hub and git answer to the creation of a Space, to a push and to a request."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import EVERYWHERE, refusal

_TRACK = (
    "Push with `spaceops deploy` or `hf upload`, which store such files properly; with plain git run "
    '`git lfs install` and `git lfs track "*.ENDING"` before the file is committed, and take it out of older commits.'
)
_FRONT_MATTER = ("readme-yaml-rejected",)

SYMPTOMS: tuple[Symptom, ...] = (
    # --- account, plan and token ---
    refusal(
        code="pro-required-402",
        fault=Fault.POLICY,
        needles=("Payment Required", "PRO subscription", "requires a PRO"),
        pattern=r"402 Payment Required.{0,120}repos/create|(?:hosting|creat|duplicat).{0,120}requires a PRO|"
        r"402.{0,200}(?:Docker|Gradio).{0,80}(?:PRO|paid)",
        message="Your account may not create a Docker Space: since 2026 that needs PRO, or a Team or Enterprise plan "
        "of the organisation",
        hint="Subscribe (huggingface.co/pricing), or create it under an organisation that has a plan; pushing to a "
        "Space that exists already is still allowed.",
        examples=(
            "Client error '402 Payment Required' for url 'https://huggingface.co/api/repos/create'",
            "hosting Gradio and Docker Spaces on free cpu-basic requires a PRO subscription",
            "HfHubHTTPError: 402 Client Error: Payment Required: hosting Docker Spaces needs PRO or a paid "
            "organisation",
        ),
        unlike=("You must be subscribed to PRO to host Spaces with ZeroGPU",),
    ),
    refusal(
        code="cpu-basic-downgrade-402",
        fault=Fault.POLICY,
        needles=("PRO subscription", "downgrade"),
        pattern=r"can(?:'t|not) downgrade.{0,60}cpu-basic|402.{0,200}/hardware\b",
        message="Without PRO a Space cannot go back to the free cpu-basic hardware",
        hint="Keep the paid hardware, pause the Space (`spaceops pause {repo_id}`), or subscribe.",
        examples=(
            "Without a PRO subscription, you can't downgrade this Space to cpu-basic.",
            "You cannot downgrade this Space to cpu-basic",
        ),
    ),
    refusal(
        code="zerogpu-docker-unsupported",
        places=EVERYWHERE,
        needles=("ZeroGPU", "zero-a10g", "zero-gpu", "spaces.GPU"),
        pattern=r"to host Spaces with ZeroGPU|No @spaces\.GPU function detected|"
        r"(?:ZeroGPU|zero-a10g).{0,120}(?:not supported|only|Gradio SDK|"
        r"incompatible|not compatible)",
        message="ZeroGPU works only with Gradio Spaces; a Docker Space cannot use it",
        hint='Choose other hardware: `hardware = "cpu-basic"`, or a GPU such as `"t4-small"`, in space.toml.',
        examples=(
            "You must be subscribed to PRO to host Spaces with ZeroGPU",
            "ZeroGPU Spaces are only compatible with the Gradio SDK",
            "zero-a10g is not supported for Docker Spaces",
        ),
        unlike=("ZeroGPU initialised",),
    ),
    refusal(
        code="token-no-write-403",
        needles=(
            "have the rights",
            "Forbidden",
            "not authorized",
            "not allowed to write",
            "correct permissions",
            "write access",
        ),
        pattern=r"don't have the rights to (?:create|push|write|update)|You are not authorized to push|"
        r"(?:not allowed to write|do(?:es)? not have the correct permissions|(?:need|requires?|"
        r"without) (?:a )?write access)|403 Forbidden.{0,200}(?:repos/create|api/spaces/|\.git)",
        message="The token may not write here: it is a read token, a fine-grained one without this account, or the "
        "account is not yours",
        hint="Make a token with write access (huggingface.co/settings/tokens), run `hf auth login` with it, and check "
        "the owner in repo_id against `hf auth whoami`.",
        examples=(
            '403 Forbidden: You don\'t have the rights to create a space under the namespace "acme"',
            "remote: You are not authorized to push to this repo.",
            "403 Forbidden: Authorization error for url https://huggingface.co/api/spaces/acme/demo/commit/main",
        ),
        unlike=('INFO: 10.0.0.1:0 - "GET /admin HTTP/1.1" 403 Forbidden',),
    ),
    refusal(
        code="token-invalid-401",
        places=EVERYWHERE,
        needles=(
            "Invalid credentials",
            "Invalid username or password",
            "Invalid user token",
            "token is not valid",
            "Authentication failed for",
        ),
        pattern=r"Invalid credentials in Authorization header|Invalid username or password\.?|Invalid user token|"
        r"Authentication failed for 'https://(?:\w{1,40}:?\S{0,80}@)?(?:huggingface|hf)\.co|token is not valid",
        message="The Hub does not know the token: it was revoked, has run out, or was cut when it was copied (a line "
        "break at its end is enough)",
        hint="Make a new token (huggingface.co/settings/tokens); on your machine run `hf auth login`, in a Space set "
        "it as the secret HF_TOKEN.",
        examples=(
            '{"error":"Invalid credentials in Authorization header"}',
            "huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: "
            "https://huggingface.co/api/whoami-v2 Invalid username or password.",
            "requests.exceptions.HTTPError: Invalid user token. The token from HF_TOKEN environment variable is "
            "invalid.",
            "fatal: Authentication failed for 'https://huggingface.co/spaces/acme/demo/'",
        ),
        unlike=("login failed: wrong username",),
    ),
    refusal(
        code="token-env-shadow",
        severity=Severity.WARNING,
        places=EVERYWHERE,
        needles=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        pattern=r"Environment variable\s{0,3}`(?:HF_TOKEN|"
        r"HUGGING_FACE_HUB_TOKEN)` is set and is the current active token",
        message="The variable HF_TOKEN is set and is used in place of the token that you log in with, so another "
        "account may be at work than you think",
        hint="Run `unset HF_TOKEN`, or set it to the token of the right account; `hf auth whoami` names the account.",
        examples=(
            "Note: Environment variable`HF_TOKEN` is set and is the current active token independently from the token "
            "you've just configured.",
        ),
        unlike=("Environment variable HF_TOKEN is set",),
    ),
    refusal(
        code="rate-limited-429",
        severity=Severity.WARNING,
        fault=Fault.POLICY,
        places=EVERYWHERE,
        needles=("Too Many Requests", "rate limit", "Rate limit", "ratelimit"),
        pattern=r"429.{0,40}Too Many Requests.{0,200}(?:huggingface|hf\.co)|[Rr]ate ?limit.{0,120}(?:huggingface|"
        r"hf\.co|the Hub)|(?:huggingface\.co|hf\.co).{0,200}(?:\b429\b|[Rr]ate limit)|RateLimit: \"\w{1,20}\";r=0",
        message="The Hub was asked too often in a short time and refuses for some minutes",
        hint="Wait five minutes and ask less often; a request with a token has a higher limit than one without.",
        examples=(
            "429 Client Error: Too Many Requests for url: https://huggingface.co/api/models/acme/m",
            "Client error '429 Too Many Requests' for url 'https://huggingface.co/acme/m/resolve/main/config.json'",
            "We had to rate limit you (127.0.0.1). To continue using our service, create a HF account: "
            "https://huggingface.co/join",
        ),
        unlike=('INFO: 10.0.0.1:0 - "POST /api HTTP/1.1" 429 Too Many Requests',),
    ),
    refusal(
        code="create-conflict-409",
        severity=Severity.WARNING,
        needles=("already created this", "conflicting operation", "Conflict"),
        pattern=r"already created this (?:space|model|dataset)? ?repo|another conflicting operation|"
        r"409.{0,60}Conflict.{0,120}repos/create",
        message="A Space of that name exists already, or another creation of it is under way",
        hint="Use the one that exists (push to it), choose another name, or try again in a minute.",
        examples=(
            "409 Client Error: Conflict for url: https://huggingface.co/api/repos/create",
            "You already created this space repo",
            "Cannot create repo: another conflicting operation is in progress",
        ),
    ),
    refusal(
        code="storage-removed",
        needles=("/storage", "persistent storage", "Persistent storage", "request_space_storage"),
        pattern=r"(?:40\d|410).{0,160}api/spaces/[^/\s]{1,96}/[^/\s]{1,96}/storage\b|"
        r"[Pp]ersistent storage.{0,80}(?:no longer|removed|deprecated|not available|discontinued)|"
        r"request_space_storage.{0,80}(?:removed|deprecated)",
        message="Paid persistent storage for Spaces does not exist any more, so the request for it is refused",
        hint='Attach a bucket as a volume: [[volumes]] with `source = "hf://buckets/OWNER/NAME"` and `mount = "/data"` '
        "in "
        "space.toml.",
        examples=(
            "Client error '400 Bad Request' for url 'https://huggingface.co/api/spaces/acme/demo/storage'",
            "Persistent storage is no longer available for Spaces",
        ),
    ),
    # --- the name and the front matter of README.md ---
    refusal(
        code="space-name-invalid",
        needles=(
            "Only regular characters",
            "Repo id must",
            "HFValidationError",
        ),
        pattern=r"Only regular characters and '-', '_', '\.' accepted|Repo id must (?:use alphanumeric|be in the form|"
        r"not exceed)|HFValidationError: (?:Repo id|Cannot have)",
        message="The name is none that the Hub allows: letters, digits, `-`, `_` and `.`, at most 96 of them, and "
        "`owner/name` only where both are asked for",
        hint='Write it as `repo_id = "owner/name"` in space.toml, without spaces, `--` or `..`.',
        examples=(
            "Invalid name: Only regular characters and '-', '_', '.' accepted",
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or "
            "'namespace/repo_name': 'a/b/c'.",
            "HFValidationError: Cannot have -- or .. in repo_id: 'acme/de--mo'.",
        ),
    ),
    refusal(
        code="sdk-invalid",
        needles=("sdk",),
        pattern=r"\"sdk\" must be one of|[Ii]nvalid (?:option|value).{0,80}\bsdk\b|\bsdk\b.{0,60}[Ii]nvalid (?:option|"
        r"value)",
        message="README.md names an `sdk` that the Hub does not have (Streamlit is none any more; it runs in Docker)",
        hint="Write `sdk: docker` in the block at the top of README.md.",
        examples=('Error: "sdk" must be one of [gradio, docker, static]', 'Invalid option for "sdk": streamlit'),
        explains=_FRONT_MATTER,
    ),
    refusal(
        code="short-description-too-long",
        needles=("short_description",),
        pattern=r"\"?short_description\"?.{0,60}(?:length|characters|too long|60)",
        message="`short_description` in README.md is longer than the 60 characters that the Hub allows, so it refuses "
        "the push",
        hint="Shorten `short_description:` to 60 characters or less.",
        examples=(
            '"short_description" length must be less than or equal to 60 characters long',
            'remote: - Error: "short_description" length must be less than or equal to 60 characters long',
            "short_description: too long (72)",
        ),
        explains=_FRONT_MATTER,
    ),
    refusal(
        code="color-invalid",
        needles=("colorFrom", "colorTo"),
        pattern=r"\"?(?P<key>color(?:From|To))\"? (?:must be one of|is invalid|is not)|"
        r"[Ii]nvalid.{0,40}\b(?P<other>color(?:From|To))\b",
        message="README.md names a colour that the Hub does not have in `colorFrom` or `colorTo`, so it refuses the "
        "push",
        hint="Use red, yellow, green, blue, indigo, purple, pink or gray.",
        examples=(
            '"colorFrom" must be one of [red, yellow, green, blue, indigo, purple, pink, gray]',
            'remote: - Error: "colorTo" must be one of [red, yellow, green, blue, indigo, purple, pink, gray]',
            "Invalid value for colorTo: orange",
        ),
        explains=_FRONT_MATTER,
    ),
    refusal(
        code="emoji-invalid",
        needles=("emoji",),
        pattern=r"\"emoji\" (?:must|fails|with value|is not|length)|[Ii]nvalid.{0,30}\bemoji\b|"
        r"\bemoji\b.{0,40}(?:must be|invalid)",
        message="`emoji` in README.md is not one single emoji, so the Hub refuses the push",
        hint="Write one real emoji, for example `emoji: 🚀`, or take the line out.",
        examples=(
            '"emoji" must be a valid emoji',
            'remote: - Error: "emoji" length must be less than or equal to 8 characters long',
            "Invalid value for emoji: rocket",
        ),
        unlike=("Collecting emoji==2.8.0",),
        explains=_FRONT_MATTER,
    ),
    refusal(
        code="license-invalid",
        severity=Severity.WARNING,
        needles=("license",),
        pattern=r"\"license\" (?:must be one of|is invalid|does not match)|[Ii]nvalid.{0,20}value for license\b",
        message="`license` in README.md is not one of the ids that the Hub knows",
        hint="Use an id such as `mit`, `apache-2.0` or `other`.",
        examples=(
            '"license" must be one of (apache-2.0, mit, openrail, other)',
            'remote: - Error: "license" must be one of [apache-2.0, mit]',
            "Invalid value for license: Apache",
        ),
        unlike=("Installing build dependencies: license file",),
        explains=_FRONT_MATTER,
    ),
    refusal(
        code="app-port-type",
        severity=Severity.WARNING,
        needles=("app_port",),
        pattern=r"\"app_port\" (?:must|is|with)|[Ii]nvalid.{0,20}value for app_port",
        message="`app_port` in README.md is no port number (a whole number from 1 to 65535)",
        hint="Write `app_port: 7860`, without quotes.",
        examples=('"app_port" must be a number', '"app_port" must be less than or equal to 65535'),
        explains=_FRONT_MATTER,
    ),
    refusal(
        code="startup-timeout-format",
        severity=Severity.WARNING,
        needles=("startup_duration_timeout",),
        pattern=r"\"?startup_duration_timeout\"? (?:must|is|with|fails)|"
        r"[Ii]nvalid.{0,20}value for startup_duration_timeout",
        message="`startup_duration_timeout` in README.md is no duration that the Hub reads",
        hint="Write a number with a unit: `startup_duration_timeout: 30m` or `1h`.",
        examples=(
            '"startup_duration_timeout" must be a valid duration',
            "startup_duration_timeout with value 30 fails to match the required pattern",
        ),
        explains=_FRONT_MATTER,
    ),
    refusal(
        code="base-path-format",
        severity=Severity.WARNING,
        needles=("base_path",),
        pattern=r"\"base_path\" (?:must|is|with|fails)",
        message="`base_path` in README.md is no path",
        hint="Let it begin with a slash: `base_path: /docs`.",
        examples=('"base_path" with value "docs" fails to match the required pattern: /^\\//',),
        explains=_FRONT_MATTER,
    ),
    refusal(
        code="custom-headers-invalid",
        severity=Severity.WARNING,
        needles=("custom_headers",),
        pattern=r"\"?custom_headers[\w.-]{0,60}\"? (?:must|is not allowed|is|fails)",
        message="`custom_headers` in README.md holds a header that the Hub does not pass on",
        hint="Only cross-origin-embedder-policy, cross-origin-opener-policy and cross-origin-resource-policy are "
        "allowed, in small letters.",
        examples=('"custom_headers.x-frame-options" is not allowed', '"custom_headers" must be of type object'),
        explains=_FRONT_MATTER,
    ),
    refusal(
        code="front-matter-yaml-error",
        needles=("YAMLException", "YAML", "yaml", "mapping values are not allowed", "front matter"),
        pattern=r"YAMLException|(?:bad indentation of a mapping|duplicated mapping key|mapping values are not allowed|"
        r"unexpected end of the stream|can not read a block mapping).{0,200}|(?:YAML|yaml|"
        r"front matter).{0,40}pars\w{1,5} error",
        message="The block at the top of README.md is no valid YAML: typical are a tab, a colon or a # in a value "
        "without quotes, and a key that stands twice",
        hint='Put the value in quotes (`title: "Chat: a demo"`), indent with spaces, and name each key once.',
        examples=(
            "YAMLException: duplicated mapping key (4:1)",
            "remote: YAMLException: bad indentation of a mapping entry at line 2, column 12",
            "YAML parse error in README.md",
        ),
        unlike=("Collecting pyyaml==6.0", "Successfully parsed YAML"),
        explains=(*_FRONT_MATTER, "front-matter-missing"),
    ),
    refusal(
        code="readme-yaml-rejected",
        needles=("YAML metadata verification", "Invalid metadata in README"),
        pattern=r"rejected during YAML metadata verification|Invalid metadata in README\.md",
        message="The Hub refused the push because the block at the top of README.md holds a value that it does not "
        "allow",
        hint="The lines after it name each key and what is allowed; mend them in README.md and push again.",
        examples=(
            "remote: Sorry, your push was rejected during YAML metadata verification:",
            "ValueError: Invalid metadata in README.md.",
        ),
    ),
    # --- files and git ---
    refusal(
        code="binary-file-rejected",
        needles=("binary files",),
        pattern=r"contains binary files|binary files.{0,80}(?:rejected|not allowed)",
        message="The Hub refused the push because git sent a binary file (an image, a model, a PDF, a font) as plain "
        "text content; older commits count too",
        hint=_TRACK,
        examples=(
            "remote: Your push was rejected because it contains binary files.",
            "Your push was rejected because it contains binary files. Please use https://huggingface.co/docs/hub/xet",
        ),
        unlike=("Binary files a/x.png and b/x.png differ",),
    ),
    refusal(
        code="file-over-10mb",
        needles=("larger than",),
        pattern=r"files? larger than 10 ?Mi?B|exceeds? (?:the )?10 ?Mi?B",
        message="The Hub refused the push because git sent a file of more than 10 MB as plain content; older commits "
        "count too, so that deleting the file in a new commit does not help",
        hint=_TRACK,
        examples=(
            "remote: Your push was rejected because it contains files larger than 10 MiB.",
            "remote: Your push was rejected because it contains files larger than 10 MB",
        ),
    ),
    refusal(
        code="too-many-files-per-dir",
        needles=("too many files",),
        pattern=r"too many files (?:per|in) (?:a |one |the )?(?:directory|folder)",
        message="The Hub refused the push because one folder holds more than 10,000 files",
        hint="Spread them over sub-folders, or pack them into one archive.",
        examples=(
            "remote: Your push was rejected because it contains too many files per directory.",
            "too many files in a directory: data/",
        ),
        unlike=("OSError: [Errno 24] Too many open files",),
    ),
    refusal(
        code="space-repo-1gb",
        needles=("storage limit reached",),
        pattern=r"[Rr]epository storage limit reached(?!.{0,20}rivate)(?<!rivate repository storage limit reached)",
        message="The Space's repository is full: a Space may hold 1 GB, deleted files of older commits included",
        hint="Keep models and data in a model repository, a dataset or a bucket, and delete the old versions "
        "(Settings, Storage, or squash the history).",
        examples=(
            "Repository storage limit reached (Max: 1 GB)",
            "remote: Repository storage limit reached (Max: 1 GB)",
        ),
        unlike=("403 Forbidden: Private repository storage limit reached",),
    ),
    refusal(
        code="private-storage-403",
        needles=(
            "private repository storage limit",
            "Private repository storage limit",
            "private storage limit",
            "Private storage limit",
        ),
        pattern=r"[Pp]rivate (?:repository )?storage limit",
        message="Your account's space for private repositories is full",
        hint="Make the Space public, delete private repositories or old files, or take a larger plan.",
        examples=("403 Forbidden: Private repository storage limit reached", "Private storage limit exceeded"),
    ),
    refusal(
        code="non-fast-forward",
        severity=Severity.WARNING,
        needles=("[rejected]", "rejected", "fast-forward", "Updates were rejected"),
        pattern=r"\[rejected\].{0,200}\((?:fetch first|non-fast-forward)\)|Updates were rejected because",
        message="The Space has commits that your folder lacks (often the README.md of its creation), so git refuses "
        "the push",
        hint="Run `git pull --rebase` and push again, or push with `spaceops deploy`, which needs no common history.",
        examples=(
            "! [rejected]        main -> main (fetch first)",
            "! [rejected] main -> main (non-fast-forward)",
            "hint: Updates were rejected because the remote contains work that you do not have locally.",
        ),
    ),
    refusal(
        code="git-password-auth",
        needles=("Password authentication",),
        pattern=r"Password authentication in git is no longer supported",
        message="git sent the password of your account; the Hub takes only a token or an SSH key",
        hint="Make a token with write access (huggingface.co/settings/tokens) and give it where git asks for the "
        "password, or run `hf auth login --add-to-git-credential`.",
        examples=(
            "remote: Password authentication in git is no longer supported. You must use a user access token or an "
            "SSH key",
        ),
        explains=("token-invalid-401",),
    ),
    refusal(
        code="secret-in-files",
        needles=("secrets in", "contain secrets"),
        pattern=r"[Pp]ush cannot contain secrets|(?:found|detected|contains?).{0,60}\b(?:valid |exposed |"
        r"leaked )?secrets? in (?:your|the) (?:repo|commit|push|Space)",
        message="A password or key stands in a file of the push, where everybody who sees the Space can read it",
        hint="Make the key invalid where it comes from, take it out of the file and of older commits, and set a new "
        "one as a secret of the Space.",
        examples=(
            "remote: - Push cannot contain secrets",
            "We detected secrets in your repository acme/demo",
        ),
        unlike=("Loading secrets in the environment",),
    ),
    refusal(
        code="lfs-pointer-in-image",
        places=(Place.BUILD, Place.RUN),
        needles=(
            "invalid load key, 'v'",
            "version https://git-lfs",
            "HeaderTooLarge",
            "git lfs",
        ),
        pattern=r"invalid load key, 'v'|version https://git-lfs|HeaderTooLarge|file:? .{0,120}(?:is|"
        r"be) a git[- ]?lfs pointer",
        message="A file in the image is only the short pointer that git LFS keeps in place of the real content, so "
        "the app cannot read it",
        hint="Push the real file: run `git lfs pull` first (in GitHub Actions: `actions/checkout` with `lfs: true`), "
        "or upload it with `hf upload`.",
        examples=(
            "_pickle.UnpicklingError: invalid load key, 'v'.",
            "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
            "SyntaxError: unexpected token in version https://git-lfs.github.com/spec/v1",
        ),
        unlike=("_pickle.UnpicklingError: invalid load key, '\\x1f'.",),
        explains=("launch-timeout", "worker-failed-to-boot", "cache-miss-not-a-cause", "space-in-error-503"),
    ),
)
