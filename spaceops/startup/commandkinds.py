"""What well-known programs do when a container starts: end by themselves, work without listening, or listen."""

from __future__ import annotations

from collections.abc import Sequence

_TASKS = """
(( : [ [[ aerich alembic alias apk apt apt-get awk basename break cat chgrp chmod chown clear cmp command continue cp
createdb curl cut date declare df diff dig dirname dockerize echo egrep env envsubst exit export false fgrep find
free getent git grep gzip head hf host hostname huggingface-cli id install ip jq kill ldconfig let ln local ls lscpu
mkdir mkfifo mktemp mv mysql mysqladmin nc netstat nproc npx nslookup nvidia-smi openssl pg_isready pgrep ping pip
pip3 pkill pop popd printenv printf ps psql pushd pwd read readonly redis-cli return rm rmdir rsync sed set shift
shopt sleep sort source ss stat sync tar tee test touch tr trap true type ulimit umask uname uniq unset unzip
update-ca-certificates wait wait-for-it wait-for-it.sh wc wget which whoami xargs zip
"""
_WORKERS = """
Xvfb Xvnc arq celery cron crond dbus-daemon dramatiq fail2ban-server fluxbox huey_consumer huey_consumer.py
inotifywait mariadbd memcached mongod mosquitto mysql-server mysqld mysqld_safe ollama-pull openbox pg_ctl
pg_ctlcluster postgres postgresql pulseaudio rabbitmq-server redis redis-server rq rqworker rsyslogd syslogd tail
tor watch yes
"""
# They end by themselves, whatever their words are.
TASKS = frozenset(_TASKS.split())
# They end by themselves with these words after them.
SUBTASKS = {
    "npm": {"install", "ci", "i", "build", "prune", "config", "cache", "version"},
    "yarn": {"install", "build", "cache"},
    "pnpm": {"install", "i", "build"},
    "uv": {"sync", "pip", "venv", "lock"},
    "poetry": {"install", "config"},
    "pipenv": {"install", "sync"},
    "prisma": {"migrate", "db", "generate"},
    "flask": {"db", "init-db", "seed", "shell"},
    "ollama": {"pull", "list", "create", "show", "ps"},
    "nginx": {"-t", "-v", "-V", "-T"},
    "playwright": {"install"},
    "rails": {"db:migrate", "db:prepare", "db:create", "db:seed", "assets:precompile"},
    "rake": {"db:migrate", "db:prepare", "assets:precompile"},
    "artisan": {"migrate", "key:generate", "config:cache", "optimize", "route:cache", "view:cache", "storage:link"},
    "manage.py": {
        "migrate",
        "collectstatic",
        "createsuperuser",
        "makemigrations",
        "check",
        "loaddata",
        "compilemessages",
    },
    "supervisorctl": {"status", "start", "restart"},
    "cargo": {"build"},
    "superset": {"db", "init", "fab"},
    "airflow": {"db", "users"},
}
# They go on, and nobody can connect to them with HTTP.
WORKERS = frozenset(_WORKERS.split())


def is_task(words: Sequence[str]) -> bool:
    """Whether a command ends by itself and leaves nothing that runs."""
    name = words[0].rpartition("/")[2]
    if name == "npx":
        return False
    if name in TASKS or "=" in name:
        return True
    if name.startswith("python") and len(words) > 1:
        return _is_python_task(words)
    if name == "php" and len(words) > 1 and words[1].rpartition("/")[2] == "artisan":
        return is_task(words[1:])
    later = [word for word in words[1:] if not word.startswith("-") or name == "nginx"]
    if later and later[0] in ("run", "run-script") and name in ("npm", "yarn", "pnpm", "bun"):
        later = later[1:]
    return bool(later) and later[0] in SUBTASKS.get(name, ())


def _is_python_task(words: Sequence[str]) -> bool:
    rest = [word for word in words[1:] if not word.startswith("-") or word == "-m"]
    if rest[:1] == ["-m"]:
        return rest[1:2] == ["pip"] or rest[1:2] == ["venv"] or is_task(rest[1:]) if len(rest) > 1 else False
    return len(rest) > 1 and rest[0].rpartition("/")[2] == "manage.py" and rest[1] in SUBTASKS["manage.py"]
