"""What an app asks for and does not get: databases, other servers, the network."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import EVERYWHERE, VAGUE_IN_RUNS, crash, failure, trouble

_DATABASE = (*VAGUE_IN_RUNS, "database-unreachable", "network-unreachable")

SYMPTOMS: tuple[Symptom, ...] = (
    # --- databases ---
    crash(
        code="db-auth-failed",
        needles=(
            "password authentication failed",
            "Access denied for user",
            "Authentication failed",
            "bad auth",
            "WRONGPASS",
            "NOAUTH",
            "invalid username-password pair",
            "Login failed for user",
            "P1000",
            "no pg_hba.conf entry",
            "Tenant or user not found",
            "SCRAM",
        ),
        pattern=r"password authentication failed|Access denied for user|(?:MongoServerError|OperationFailure|"
        r"AuthenticationFailed).{0,60}(?:bad auth|Authentication failed)|bad auth ?: |WRONGPASS|"
        r"NOAUTH Authentication required|invalid username-password pair|Login failed for user|"
        r"P1000: Authentication failed|no pg_hba\.conf entry|Tenant or user not found|(?:SCRAM|"
        r"client password must be a string)",
        message="The database does not accept the user or the password that the app gives it",
        hint="Set the secret with the address again, `spaceops secrets set {repo_id} DATABASE_URL`; in an address, "
        "special characters of the password are encoded (`@` is `%40`, `#` is `%23`).",
        examples=(
            'SQLSTATE[08006] [7] FATAL:  password authentication failed for user "app"',
            "pymysql.err.OperationalError: (1045, \"Access denied for user 'app'@'10.0.0.1' (using password: YES)\")",
            "pymongo.errors.OperationFailure: bad auth : Authentication failed.",
            "redis.exceptions.ResponseError: WRONGPASS invalid username-password pair or user is disabled.",
            "Error: P1000: Authentication failed against database server at `db.example.com`",
            "FATAL:  Tenant or user not found",
        ),
        explains=_DATABASE,
    ),
    crash(
        code="database-unreachable",
        needles=(
            "connection to server at",
            "could not connect to server",
            "could not translate host name",
            "Can't connect to MySQL server",
            "ServerSelectionTimeoutError",
            "MongooseServerSelectionError",
            "DNS query name does not exist",
            "MongoServerSelectionError",
            "reach database server",
            "P1001",
            "Error 111 connecting to",
            "Connect call failed",
            "dial tcp",
            "failed to connect database",
            "failed to initialize database",
            "Error 110 connecting to",
            "Connection refused",
            "ECONNREFUSED",
            "SQLSTATE[HY000] [2002]",
            "SQLSTATE[08006]",
            "connecting to",
        ),
        pattern=r"connection to server at \"(?P<host>[^\"]{1,200})\".{0,120}failed|could not connect to server|"
        r"could not translate host name|"
        r"DNS query name does not exist: _mongodb|Can't connect to (?:local )?MySQL server|"
        r"(?:ServerSelection(?:Timeout)?Error)\b|P1001: Can't reach database|Error (?:111|110|-[235]) connecting to|"
        r"ECONNREFUSED \S{0,60}:(?:5432|3306|27017|6379|1433|9200|11211)\b|"
        r"dial tcp \S{0,100}:(?:5432|3306|27017|6379|6543): .{0,80}(?:refused|timeout|no such host)|"
        r"failed to (?:connect|initialize) database|"
        r"Connect call failed \('[^']{1,60}', (?:5432|3306|27017|6379|1433|6543)\b|SQLSTATE\[HY000\] \[2002\]|"
        r"SQLSTATE\[08006\]",
        message="The app does not reach its database: the address is wrong (in a Space, `localhost` is the container "
        "itself, which has no database), or the database does not let the Space in",
        hint="Give the address of a database on the internet as a secret (`spaceops secrets set {repo_id} "
        "DATABASE_URL`) and allow all addresses there (a Space has no fixed one); SQLite on a volume needs no server.",
        examples=(
            'psycopg2.OperationalError: connection to server at "localhost" (127.0.0.1), port 5432 failed: '
            "Connection refused",
            "pymysql.err.OperationalError: (2003, \"Can't connect to MySQL server on 'db' ([Errno -2] Name or "
            'service not known)")',
            "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
            "pymongo.errors.ServerSelectionTimeoutError: localhost:27017: [Errno 111] Connection refused",
            "Error: P1001: Can't reach database server at `db:5432`",
            "Error: connect ECONNREFUSED 127.0.0.1:5432",
        ),
        unlike=("Error: connect ECONNREFUSED 127.0.0.1:11434",),
        explains=(*VAGUE_IN_RUNS, "service-refused", "network-unreachable", "go-panic", "rust-panic"),
    ),
    crash(
        code="table-missing",
        needles=("no such table", "does not exist", "doesn't exist", "UndefinedTable", "P2021"),
        pattern=r"no such table: (?P<name>\S{1,100})|relation \"(?P<n2>[^\"]{1,100})\" does not exist|"
        r"Table '(?P<n3>[^']{1,100})' doesn't exist|UndefinedTable|P2021|"
        r"database \"(?P<n4>[^\"]{1,80})\" does not exist",
        message="The database is there, but the table (or the database) that the app asks for is not: nothing has "
        "made it yet",
        hint="Make the tables at the start, before the server: in the start script `python manage.py migrate`, "
        "`alembic upgrade head` or `npx prisma migrate deploy`. Without a volume, a SQLite file is new after each "
        "restart.",
        examples=(
            "sqlite3.OperationalError: no such table: users",
            'psycopg2.errors.UndefinedTable: relation "users" does not exist',
            "django.db.utils.ProgrammingError: (1146, \"Table 'app.users' doesn't exist\")",
        ),
    ),
    crash(
        code="migration-failed",
        needles=(
            "Multiple head revisions",
            "locate revision identified by",
            "P3009",
            "P3018",
            "P3005",
            "Conflicting migrations detected",
            "Target database is not up to date",
        ),
        pattern=r"Multiple head revisions|Can't locate revision identified by|\bP30(?:05|09|18)\b|"
        r"Conflicting migrations detected|Target database is not up to date",
        message="The tables of the database cannot be brought up to date: the steps for it that the app holds do not "
        "fit the ones that the database has seen",
        hint="Mend the steps on your machine against a copy of the database (`alembic merge heads`, "
        "`python manage.py makemigrations --merge`, `npx prisma migrate resolve`), and push them.",
        examples=(
            "FAILED: Multiple head revisions are present for given argument 'head'",
            "alembic.util.exc.CommandError: Can't locate revision identified by '9f2a1c'",
            "Error: P3009 migrate found failed migrations in the target database",
        ),
    ),
    crash(
        code="sqlite-too-old",
        needles=("unsupported version of sqlite3", "SQLite 3."),
        pattern=r"unsupported version of sqlite3|SQLite 3\.\d{1,3}(?:\.\d{1,3})? or later is required",
        message="The SQLite in the base image is older than a package of the app needs; it comes with the image's "
        "system, not with pip",
        hint="Take a newer base image: `FROM python:3.12-slim-bookworm`.",
        examples=(
            "RuntimeError: Your system has an unsupported version of sqlite3. Chroma requires sqlite3 >= 3.35.0.",
            "django.core.exceptions.ImproperlyConfigured: SQLite 3.31 or later is required (found 3.27.2).",
        ),
    ),
    trouble(
        code="too-many-connections",
        needles=(
            "TooManyConnections",
            "remaining connection slots",
            "Too many connections",
            "too many connections",
            "too many clients",
            "max clients reached",
        ),
        pattern=r"TooManyConnections|remaining connection slots|[Tt]oo many (?:connections|clients)|"
        r"max clients reached",
        message="The app holds more connections to its database than that allows",
        hint="Share one pool of connections (SQLAlchemy: one engine, `pool_size=5`), run fewer workers, and use the "
        "database's pooled address if it has one.",
        examples=(
            "asyncpg.exceptions.TooManyConnectionsError: remaining connection slots are reserved for roles with the "
            "SUPERUSER attribute",
            'pymysql.err.OperationalError: (1040, "Too many connections")',
        ),
        explains=("database-unreachable",),
    ),
    trouble(
        code="sqlite-locked",
        needles=("database is locked", "SQLITE_BUSY"),
        pattern=r"database is locked|SQLITE_BUSY",
        message="Several workers write to one SQLite file at once, which it does not allow, least of all on a volume "
        "of the Hub",
        hint="Run one worker, set `PRAGMA journal_mode=WAL` and a time-out on a local file, or use a database server.",
        examples=("sqlite3.OperationalError: database is locked", "SqliteError: SQLITE_BUSY: database is locked"),
    ),
    # --- other servers ---
    trouble(
        code="service-refused",
        needles=(
            "Connection refused",
            "ECONNREFUSED",
            "connection refused",
            "Failed to connect to Ollama",
        ),
        pattern=r"(?:host='(?:localhost|127\.0\.0\.1)', port=(?P<port>\d{2,5})\)|(?:localhost|127\.0\.0\.1|"
        r"::1\]?):(?P<p2>\d{2,5})).{0,300}(?i:connection refused)|ECONNREFUSED (?:127\.0\.0\.1|::1|"
        r"localhost)?:(?P<p3>\d{2,5})|[Ff]ailed to connect to Ollama",
        message="The app asks a second program in its own container (`localhost`), and nothing listens there: it was "
        "not started, or is not ready yet",
        hint="Start it in the start script before the app and wait until it answers, or give the address of a server "
        "elsewhere through a variable.",
        examples=(
            "requests.exceptions.ConnectionError: HTTPConnectionPool(host='localhost', port=11434): Max retries "
            "exceeded with url: /api (Caused by NewConnectionError: [Errno 111] Connection refused)",
            "Error: connect ECONNREFUSED 127.0.0.1:11434",
            "ConnectionError: Failed to connect to Ollama. Please check that Ollama is downloaded, running and "
            "accessible.",
        ),
        unlike=("connect() failed (111: Connection refused) while connecting to upstream",),
    ),
    trouble(
        code="outbound-telegram",
        needles=("api.telegram.org",),
        pattern=r"api\.telegram\.org.{0,300}(?i:timed? ?out|resolve|resolution|unreachable|refused|reset|max retries|"
        r"ENOTFOUND|ETIMEDOUT|not known|failed)|(?i:cannot connect|timed? ?out|ENOTFOUND|ETIMEDOUT|"
        r"resolve).{0,200}api\.telegram\.org",
        message="The app does not reach Telegram: its address is reported to be closed to Spaces",
        hint="Run the bot elsewhere, or go through a relay on a server of your own.",
        examples=(
            "aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host api.telegram.org:443 ssl:default",
            "HTTPSConnectionPool(host='api.telegram.org', port=443): Max retries exceeded with url: /bot/getMe",
            "FetchError: request to https://api.telegram.org/bot/getMe failed, reason: getaddrinfo ENOTFOUND "
            "api.telegram.org",
        ),
        explains=("network-unreachable", "outbound-port"),
    ),
    trouble(
        code="outbound-port",
        needles=("smtp", "SMTP", "timed out", "ETIMEDOUT", "unreachable", "refused"),
        pattern=r"(?i:ETIMEDOUT|timed out|unreachable|connect\w{0,3} (?:refused|failed)).{0,120}(?::|"
        r"port )(?P<port>25|465|587|993|995|143)\b|(?::|port )(?P<p2>25|465|587|993)\b.{0,120}(?i:timed ?out|"
        r"unreachable)|smtplib\.\w{1,40}.{0,80}(?i:timed out|unreachable)|ESOCKET.{0,80}(?:smtp|:465|:587)",
        message="The app does not reach a mail server: a Space may only connect outwards on the ports of the web (80, "
        "443, 8080), and those of mail are closed",
        hint="Send mail through a service with a web interface (HTTPS), such as SendGrid, Mailgun, Resend or Amazon "
        "SES.",
        examples=(
            "Error: connect ETIMEDOUT 142.250.1.108:587",
            "Error: Connection timed out: smtp.gmail.com:465",
            "smtplib.SMTPServerDisconnected: Connection unexpectedly closed: timed out",
        ),
    ),
    trouble(
        code="outbound-port",
        needles=("TimeoutError", "ETIMEDOUT", "Connection timeout", "timed out", "Network is unreachable"),
        pattern=r"TimeoutError|ETIMEDOUT|Connection timeout|timed out|Network is unreachable",
        near=r"smtplib|imaplib|poplib|aiosmtplib|smtp-connection|nodemailer|fastapi_mail|flask_mail|"
        r"django/core/mail|javax\.mail|jakarta\.mail|PHPMailer",
        message="The app does not reach a mail server: a Space may only connect outwards on the ports of the web (80, "
        "443, 8080), and those of mail are closed",
        hint="Send mail through a service with a web interface (HTTPS), such as SendGrid, Mailgun, Resend or Amazon "
        "SES.",
        examples=(
            '  File "/usr/local/lib/python3.11/smtplib.py", line 341, in connect\nTimeoutError: [Errno 110] Connection '
            "timed out",
            "Error: Connection timeout\n    at SMTPConnection._formatError (/app/node_modules/nodemailer/lib/"
            "smtp-connection/index.js:809:19)",
        ),
        explains=("network-unreachable",),
    ),
    trouble(
        code="network-unreachable",
        places=EVERYWHERE,
        needles=(
            "Name or service not known",
            "Temporary failure in name resolution",
            "No address associated with hostname",
            "getaddrinfo",
            "ENOTFOUND",
            "Network is unreachable",
            "NameResolutionError",
            "Could not resolve host",
            "no such host",
            "EAI_AGAIN",
        ),
        pattern=r"Name or service not known|Temporary failure in name resolution|No address associated with hostname|"
        r"getaddrinfo (?:failed|E\w{1,20})|\bENOTFOUND\b|Network is unreachable|NameResolutionError|"
        r"Could not resolve host|dial tcp: lookup .{1,120}no such host|EAI_AGAIN",
        message="The app asks a server by a name or on a way that does not exist for it: the address is misspelled, "
        "belongs to docker-compose (`db`, `redis`), or the network did not answer just then",
        hint="Correct the address in the variables; programs of one Space reach each other as `127.0.0.1`; if it is "
        "right, restart.",
        examples=(
            "socket.gaierror: [Errno -2] Name or service not known",
            "requests.exceptions.ConnectionError: Failed to resolve 'api.example.com' ([Errno -3] Temporary failure "
            "in name resolution)",
            "Error: getaddrinfo ENOTFOUND db",
            "OSError: [Errno 101] Network is unreachable",
            "Could not resolve host: api.example.com",
        ),
    ),
    trouble(
        code="certificate-failed",
        places=(Place.BUILD, Place.RUN),
        needles=(
            "CERTIFICATE_VERIFY_FAILED",
            "certificate verify failed",
            "certificate has expired",
            "unable to get local issuer certificate",
            "x509: certificate",
            "certificate signed by unknown authority",
            "server certificate verification failed",
        ),
        pattern=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|certificate has expired|"
        r"unable to get local issuer certificate|x509: certificate|certificate verification failed",
        message="The other server's certificate is not trusted: the image has no list of certificates, or the "
        "certificate has run out",
        hint="Install the list: `RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates`.",
        examples=(
            "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get "
            "local issuer certificate",
            'Get "https://api.example.com": x509: certificate signed by unknown authority',
            "fatal: unable to access 'https://github.com/a/b/': server certificate verification failed. CAfile: none",
        ),
    ),
    # --- keys of other services ---
    trouble(
        code="api-key-rejected",
        needles=(
            "Incorrect API key",
            "invalid_api_key",
            "API key not valid",
            "API_KEY_INVALID",
            "invalid x-api-key",
            "Invalid API Key",
            "Invalid API key",
            "insufficient_quota",
            "exceeded your current quota",
            "Improper token has been passed",
            "monthly included credits",
            "InvalidToken",
            "Unauthorized",
        ),
        pattern=r"Incorrect API key|invalid_api_key|API key not valid|API_KEY_INVALID|invalid x-api-key|"
        r"Invalid API [Kk]ey|insufficient_quota|exceeded your current quota|exceeded your monthly included credits|"
        r"Improper token has been passed|"
        r"telegram\.error\.InvalidToken: (?!You must pass)|TelegramUnauthorizedError",
        message="Another service does not accept the key that the app gives it, or its quota is used up",
        hint="Set the right key as a secret of the Space (`spaceops secrets set {repo_id} NAME`), without quotes and "
        "line breaks; look at the account there.",
        examples=(
            "openai.AuthenticationError: Error code: 401 - {'error': {'message': 'Incorrect API key provided: "
            "sk-***', 'code': 'invalid_api_key'}}",
            "google.api_core.exceptions.InvalidArgument: 400 API key not valid. Please pass a valid API key.",
            "openai.RateLimitError: Error code: 429 - You exceeded your current quota, please check your plan "
            "(insufficient_quota)",
        ),
        severity=Severity.WARNING,
    ),
    trouble(
        code="bot-runs-twice",
        needles=("terminated by other getUpdates request", "TelegramConflictError"),
        pattern=r"terminated by other getUpdates request|TelegramConflictError",
        message="The same bot asks for messages from two places, and Telegram serves one only: a copy of the Space, "
        "your own machine, or the version before that has not ended yet",
        hint="Stop the other one (or give this Space a bot token of its own), then restart.",
        examples=(
            "telegram.error.Conflict: Conflict: terminated by other getUpdates request; make sure that only one bot "
            "instance is running",
        ),
    ),
    failure(
        code="too-many-open-files",
        needles=(
            "Too many open files",
            "EMFILE",
            "can't start new thread",
            "Resource temporarily unavailable",
            "pthread_create failed",
        ),
        pattern=r"Too many open files|EMFILE|can't start new thread|pthread_create failed|"
        r"fork: (?:retry: )?Resource temporarily unavailable",
        fault=Fault.YOURS,
        message="The app opened more files, connections or threads than the container allows; most often it does not "
        "close them",
        hint="Close files and clients after use (`with …`), share one HTTP client, and run fewer workers or threads.",
        examples=(
            "OSError: [Errno 24] Too many open files",
            "Error: EMFILE: too many open files, open '/app/x'",
            "RuntimeError: can't start new thread",
        ),
    ),
)
