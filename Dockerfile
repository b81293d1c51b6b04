# JupyterLab with spaceops, the notebooks and the app template: on a laptop, in CI, and as a private Docker Space.
#
#   docker build --tag spaceops .
#   docker run --rm --publish 127.0.0.1:7860:7860 --env JUPYTER_TOKEN spaceops
#   docker run --rm spaceops spaceops run notebooks/00_quickstart.ipynb
#
# JupyterLab starts only with a JUPYTER_TOKEN of 16 characters or more; as a Space, make it a secret.

# git without perl, which none of its commands that are used here needs: a quarter of the size.
FROM python:3.12-slim AS git
WORKDIR /git
RUN apt-get update \
 && apt-get install --yes --no-install-recommends --download-only git git-lfs \
 && rm -f /var/cache/apt/archives/*perl*.deb /var/cache/apt/archives/git-man*.deb \
 && for package in /var/cache/apt/archives/*.deb; do dpkg --extract "$package" . || exit; done \
 && mv usr/share/git-core . && rm -r usr/share/* && mv git-core usr/share/

FROM python:3.12-slim AS packages
WORKDIR /src
COPY constraints.txt pyproject.toml ./
RUN pip install --no-cache-dir --constraint constraints.txt uv \
 && uv venv --python python3 /opt/spaceops
ENV VIRTUAL_ENV=/opt/spaceops
# Other people's packages first: a change of the code does not install them again.
RUN uv pip install --compile-bytecode --no-cache --constraint constraints.txt \
    --requirements pyproject.toml --extra notebook --extra local
COPY . .
RUN uv pip install --compile-bytecode --no-cache --no-deps .

FROM python:3.12-slim
COPY --from=git /git/usr /usr
RUN ! ldd /usr/bin/git /usr/lib/git-core/git-remote-http | grep "not found" \
 && useradd --create-home --uid 1000 --shell /bin/bash user
# Owned by the user, so that a notebook can install what it needs with `%uv pip install`.
COPY --from=packages --chown=user /opt/spaceops /opt/spaceops
COPY .jupyter /opt/spaceops/etc/jupyter
USER user
ENV HOME=/home/user \
    VIRTUAL_ENV=/opt/spaceops \
    PATH=/opt/spaceops/bin:$PATH \
    SHELL=/bin/bash \
    PYTHONUNBUFFERED=1
WORKDIR $HOME/app
COPY --chown=user app_template app_template
COPY --chown=user notebooks notebooks
CMD ["jupyter", "lab", "--no-browser", "--ip=0.0.0.0", "--port=7860"]
