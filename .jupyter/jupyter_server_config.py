"""JupyterLab in the image that the Dockerfile builds: nobody gets in without the token."""

import os
import sys

c = get_config()  # noqa: F821 - Jupyter puts it there when it reads this file

SHORTEST = 16  # characters: what stands between the internet and a shell is no place for a word

# Taken out of the environment, which every kernel inherits and many a notebook prints.
token = os.environ.pop("JUPYTER_TOKEN", "")
if len(token) < SHORTEST:
    sys.exit(f"JUPYTER_TOKEN is missing or shorter than {SHORTEST} characters: JupyterLab does not start without it.")
c.IdentityProvider.token = token

# A Space is shown in a frame of the Hub's page, where browsers keep only cookies that say so, and over TLS.
c.ServerApp.tornado_settings = {
    "headers": {"Content-Security-Policy": "frame-ancestors 'self' https://huggingface.co"},
}
if "SPACE_ID" in os.environ:
    in_frames = {"samesite": "None", "secure": True}
    c.IdentityProvider.cookie_options = in_frames
    c.ServerApp.tornado_settings["xsrf_cookie_kwargs"] = {"path": "/", **in_frames}

# The port is the one that is published, or none; and nothing is asked of a server elsewhere.
c.ServerApp.port_retries = 0
c.LabApp.extension_manager = "readonly"
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
