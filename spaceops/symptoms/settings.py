"""What an app wants to find in its environment: keys, passwords, addresses."""

from __future__ import annotations

from spaceops.symptoms import Symptom
from spaceops.symptoms.kinds import failure

_HINT = (
    "Set it: `spaceops secrets set {repo_id} {name}` for what must stay hidden, else under [variables] in space.toml; "
    "a copy of a Space does not bring its secrets along."
)

SYMPTOMS: tuple[Symptom, ...] = (
    # --- settings ---
    failure(
        code="missing-secret",
        needles=("KeyError",),
        pattern=r"KeyError: '(?P<name>[A-Z][A-Z0-9]{0,60}(?:_[A-Z0-9]{1,40}){1,8})'",
        message="The app reads {name} from its environment, and nothing sets it",
        hint=_HINT,
        examples=("KeyError: 'OPENAI_API_KEY'", "KeyError: 'HF_TOKEN'", "builtins.KeyError: 'DATABASE_URL'"),
        unlike=("KeyError: 'label'", "KeyError: 'LABEL'"),
    ),
    failure(
        code="missing-secret",
        needles=("KeyError",),
        pattern=r"KeyError: '(?P<name>[A-Za-z]\w{0,80})'",
        near=r"\bos\.environ\b|\bgetenv\b|/os\.py\", line|<frozen os>",
        message="The app reads {name} from its environment, and nothing sets it",
        hint=_HINT,
        examples=(
            '    token = os.environ["token"]\n            ~~~~~~~~~~^^^^^^^^^\n  File "<frozen os>", line 716, in '
            "__getitem__\nKeyError: 'token'",
            '  File "/usr/local/lib/python3.11/os.py", line 679, in __getitem__\n    raise KeyError(key) from None\n'
            "KeyError: 'PASSWORD'",
        ),
    ),
    failure(
        code="missing-secret",
        needles=(
            "not set",
            "not found in environment",
            "environment variable",
            "not defined",
            "not configured",
            "is required",
            "Missing",
            "missing",
            "UndefinedValueError",
            "must be set",
            "API key",
            "must be provided",
            "not provided",
        ),
        pattern=r"(?i:error|exception|critical|fatal|"
        r"ValueError).{0,120}\b(?P<name>(?:[A-Z][A-Z0-9]{0,40}_)?[A-Z][A-Z0-9_]{0,60}(?:KEY|TOKEN|SECRET|PASSWORD|URL|"
        r"URI|_ID|DSN|PASS|USER|HOST|CREDENTIALS|ENDPOINT))\b[`'\"]?(?: environment variable| env(?:ironment)? var|"
        r" is| was| must|:|(?= not)).{0,60}(?:not (?:set|found|defined|configured|provided|specified)|missing|"
        r"required|must be (?:set|provided)|be set|undefined|set$)",
        message="The app wants {name} in its environment, and nothing sets it",
        hint=_HINT,
        examples=(
            "ValueError: HF_TOKEN environment variable not set",
            "RuntimeError: OPENAI_API_KEY is not set",
            "decouple.UndefinedValueError: SECRET_KEY not found. Declare it as envvar or define a default value.",
            "RuntimeError: DATABASE_URL is not set",
            "Error: SUPABASE_URL is required",
        ),
        unlike=("WARNING: token not set", "Error: request failed"),
    ),
    failure(
        code="missing-secret",
        needles=(
            "environment variable",
            "Environment variable",
            "Environment variables",
            "env var",
            "Missing credentials",
            "api_key",
            "apiKey",
            "API key",
            "authentication method",
            "supabaseUrl",
            "supabaseKey",
            "default credentials",
            "SECRET_KEY setting",
            "DefaultCredentialsError",
            "Unable to locate credentials",
            "NoCredentialsError",
        ),
        pattern=r"(?:api_?[kK]ey (?:client )?option must be (?:set|provided)|api_key=? ?must be (?:set|provided)|"
        r"Missing credentials|Could not resolve authentication method|No API[- _]?key (?:was )?(?:provided|found)|"
        r"supabase(?:Url|Key|_url|_key) is required|SECRET_KEY setting must not be empty|DefaultCredentialsError|"
        r"NoCredentialsError|Unable to locate credentials|(?:EnvError|"
        r"[Mm]issing(?: required)?) ?:? ?(?:[Ee]nvironment|env) var\w{0,8}:? .{1,80}|"
        r"Did not find \w{1,60}, please add an environment variable)",
        message="The app wants a key or password that its environment does not hold",
        hint="Set it as a secret of the Space, under the name that the app reads: `spaceops secrets set {repo_id} "
        "NAME`; a copy of a Space does not bring its secrets along.",
        examples=(
            "openai.OpenAIError: The api_key client option must be set either by passing api_key to the client or by "
            "setting the OPENAI_API_KEY environment variable",
            'TypeError: "Could not resolve authentication method. Expected either api_key or auth_token to be set."',
            "Error: supabaseUrl is required.",
            "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.",
            "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
            "google.auth.exceptions.DefaultCredentialsError: Your default credentials were not found.",
            "ValueError: Missing environment variables: DB_URL, DB_NAME",
        ),
    ),
    failure(
        code="missing-secret",
        needles=("unbound variable", "parameter not set", "parameter null or not set"),
        pattern=r": (?P<name>[A-Z][A-Z0-9_]{1,60}): (?:unbound variable|parameter (?:null or )?not set)",
        message="The start script reads {name} from its environment, and nothing sets it",
        hint=_HINT,
        examples=("/app/start.sh: line 5: HF_TOKEN: unbound variable", "start.sh: 4: PORT: parameter not set"),
    ),
    failure(
        code="missing-secret",
        needles=("environment variable", "env var", "must be set", "not set", "environment variables", "placeholder"),
        pattern=r"Set the (?P<name>[A-Z][A-Z0-9_]{2,60}) environment variable|"
        r"Could not resolve placeholder '(?P<n2>[A-Za-z][\w.-]{1,80})'|[Ii]nvalid environment variables|"
        r"line \d{1,5}: (?P<n3>[A-Z][A-Z0-9_]{1,60}): .{0,60}(?:not set|must be set|required|missing)",
        message="The app wants a value in its environment that is not there; the line names it",
        hint="Set it as a secret of the Space, `spaceops secrets set {repo_id} NAME`, or under [variables] in "
        "space.toml.",
        examples=(
            "django.core.exceptions.ImproperlyConfigured: Set the DJANGO_SECRET_KEY environment variable",
            "Could not resolve placeholder 'OPENAI_API_KEY' in value \"${OPENAI_API_KEY}\"",
            "Error: Invalid environment variables",
            "/app/start.sh: line 5: HF_TOKEN: HF_TOKEN must be set",
        ),
    ),
    failure(
        code="missing-secret",
        needles=("environment variable", "env var", "must be set", "not set", "is required"),
        pattern=r"^(?!.{0,300}(?i:warn|info|debug|optional|default|skip|disabl|fall|ignor|without|continu))"
        r".{0,120}?\b(?P<name>[A-Z][A-Z0-9]{1,30}(?:_[A-Z0-9]{1,30}){1,6})\b[`'\"]?(?: env(?:ironment)? var(?:iable)?)?"
        r"(?: is| was)? (?:not set|required|missing|must be set|undefined)",
        near=r"^exit status \d|^Node\.js v\d|goroutine \d|log\.Fatal|^Traceback|process\.exit",
        message="The app wants {name} in its environment, and nothing sets it",
        hint=_HINT,
        examples=("2026/03/01 10:00:00 DATABASE_URL environment variable is not set\nexit status 1",),
        unlike=("DATABASE_URL environment variable is not set",),
    ),
    failure(
        code="missing-secret",
        needles=("environ.get", "os.getenv", "getenv"),
        pattern=r"(?:os\.environ\.get|os\.getenv|\bgetenv)\(['\"](?P<name>\w{1,80})['\"]\)",
        near=r"(?:TypeError|ValueError|AttributeError|ArgumentError|InvalidToken|InvalidURL|ValidationError)\b.{0,200}"
        r"(?:NoneType|\bNone\b|must be (?:a )?str|must pass the token)",
        message="The app reads {name} from its environment, nothing sets it, and it goes on with None in its place",
        hint=_HINT,
        examples=(
            '  File "/app/bot.py", line 5, in <module>\n    API_ID = int(os.environ.get("API_ID"))\nTypeError: int() '
            "argument must be a string, a bytes-like object or a real number, not 'NoneType'",
            '    engine = create_engine(os.getenv("DATABASE_URL"))\nsqlalchemy.exc.ArgumentError: Expected string or '
            "URL object, got None",
        ),
        unlike=('    token = os.getenv("TOKEN")',),
    ),
    failure(
        code="missing-secret",
        needles=(
            "parse SQLAlchemy URL",
            "URL object, got None",
            "token to be a str, received",
            "Improper token",
            "must pass the token",
            "secret_key_base",
            "No application encryption key",
        ),
        pattern=r"Could not parse SQLAlchemy URL|Expected string or URL object, got None|"
        r"expected token to be a str, received NoneType|You must pass the token you received|"
        r"Missing `secret_key_base`|No application encryption key has been specified",
        message="A key or an address that the app reads from its environment is empty or not there",
        hint="Set it as a secret of the Space, under the name that the app reads: `spaceops secrets set {repo_id} "
        "NAME`.",
        examples=(
            "sqlalchemy.exc.ArgumentError: Could not parse SQLAlchemy URL from given URL string",
            "TypeError: expected token to be a str, received NoneType instead",
            "telegram.error.InvalidToken: You must pass the token you received from https://t.me/Botfather!",
        ),
    ),
    failure(
        code="missing-secret",
        needles=("Field required", "field required"),
        pattern=r"[Ff]ield required \[?\(?type=(?:missing|value_error\.missing)",
        near=r"(?i)validation errors? for \w{0,40}(?:settings|config|env)",
        message="The app's settings want a value that its environment does not hold; the line above names it",
        hint="Set it (in capital letters) as a secret of the Space, `spaceops secrets set {repo_id} NAME`, or under "
        "[variables] in space.toml.",
        examples=(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\nopenai_api_key\n  Field "
            "required [type=missing, input_value={}, input_type=dict]",
            "pydantic.error_wrappers.ValidationError: 2 validation errors for AppConfig\ndatabase_url\n  field "
            "required (type=value_error.missing)",
        ),
    ),
)
