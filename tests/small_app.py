"""The smallest app that a Docker Space can be."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

APP = """
import http.server, json, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = {"version": VERSION} | ({"env": dict(os.environ)} if self.path == "/env" else {})
        body = json.dumps(answer)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        print("asked for", self.path, flush=True)

print("serving version", VERSION, flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
"""


def write_app(folder: Path, *, version: int = 1, **fields: object) -> Path:
    """A folder with the smallest app that a Docker Space can be."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(
        dedent(
            """\
            FROM python:3.11-slim
            WORKDIR /app
            COPY app.py .
            CMD ["python", "app.py", "7860"]
            """
        )
    )
    (folder / "README.md").write_text("---\ntitle: Small\nsdk: docker\n---\n")
    (folder / "app.py").write_text(f"VERSION = {version}\n{APP}")
    return folder
