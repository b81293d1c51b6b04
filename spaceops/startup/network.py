"""What a start asks of others before it answers itself: downloads, and bots that never answer."""

from __future__ import annotations

import posixpath
import re

from spaceops.shell import UNKNOWN, Command
from spaceops.startup.facts import Process, Script, World
from spaceops.startup.servers import SERVERS

_DOWNLOADS = {
    "hf": ("download",),
    "huggingface-cli": ("download",),
    "ollama": ("pull", "run"),
    "wget": (),
    "aria2c": (),
    "gdown": (),
}
_BOTS = re.compile(
    r"^\s*(?:import|from)\s+(?:telegram|telebot|aiogram|pyrogram|telethon|discord|nextcord|disnake|interactions|"
    r"slack_bolt|tweepy|praw)\b",
    re.MULTILINE,
)
_SERVING = re.compile(
    r"\b(?:flask|Flask|fastapi|uvicorn|aiohttp|http\.server|HTTPServer|gradio|streamlit|tornado|sanic|quart|bottle|"
    r"starlette|socketserver|socket|waitress|hypercorn|nicegui|keep_alive|keepalive|webhook|run_webhook|asyncio\.start_server|"
    r"subprocess|os\.system|dash|cherrypy|falcon|litestar|robyn|websockets)\b"
)
_MOST_FILES = 60


def downloads(script: Script) -> Command | None:
    """The first command of a script that fetches something large while the server after it waits."""
    found = None
    for command in script.commands:
        if found is None and not command.nested and command.after != "&" and _is_download(command):
            found = command
        name = command.words[1] if command.name == "exec" and len(command.words) > 1 else command.name
        if found is not None and (name in {one.partition(" ")[0] for one in SERVERS} or name in _OTHER_SERVERS):
            return found
    return None


_OTHER_SERVERS = ("gunicorn", "streamlit", "hypercorn", "python", "python3", "node", "nginx", "npm", "java")


def _is_download(command: Command) -> bool:
    wanted = _DOWNLOADS.get(command.name)
    if wanted is None or "--help" in command.words:
        return False
    return not wanted or any(word in wanted for word in command.words[1:3])


def is_bot(world: World, process: Process) -> bool:
    """Whether a process is a Python file that talks to a messenger."""
    text = _program(world, process)
    return text is not None and bool(_BOTS.search(text))


def listens_nowhere(world: World, process: Process) -> bool:
    """Whether nothing in the program, or in the files beside it, hints at a server."""
    text = _program(world, process)
    if text is None or _SERVING.search(text):
        return False
    beside = [path for path in world.files if path.endswith(".py")]
    return len(beside) <= _MOST_FILES and not any(_SERVING.search(world.read(path) or "") for path in beside)


def _program(world: World, process: Process) -> str | None:
    if not re.fullmatch(r"python[0-9.]*", process.name) or len(process.words) != 2 or UNKNOWN in process.words[1]:
        return None
    found = world.text_at(posixpath.join(process.cwd, process.words[1]))
    return found[1] if found else None
