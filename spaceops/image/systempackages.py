"""Which packages the distributions have, and which programs come with them: facts, release by release.

Debian's were read from the package lists of each release (main only, as in its images).
A package that is not in the table may well exist: of it nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

RELEASES = {
    "debian": ("bullseye", "bookworm", "trixie"),
    "ubuntu": ("20.04", "22.04", "24.04"),
}

# NAME   DEBIAN   UBUNTU   WHAT TO TAKE INSTEAD
# A name that ends in `*` stands for all that begin so. FIRST..LAST: the releases that have it; `*`: all, or not known;
# `x`: none any more; `-`: none, ever. Names separated by white space are packages; after `:` stands a sentence.
_TABLE = """
libgl1-mesa-glx            ..bookworm         ..22.04      libgl1
libegl1-mesa               ..bookworm         ..22.04      libegl1
libgles2-mesa              ..bookworm         *            libgles2
libgl1-mesa-glx0           -                  -            libgl1
libgl1-mesa                -                  -            libgl1
libgl-mesa-glx             -                  -            libgl1
libglib2                   -                  -            libglib2.0-0
libsm                      -                  -            libsm6
libxext                    -                  -            libxext6
libxrender                 -                  -            libxrender1
freeglut3                  ..bullseye         *            libglut3.12
python3-distutils          ..bookworm         ..22.04      python3-setuptools
python3-nose               ..bookworm         *
python                     ..bullseye         ..20.04      python3
python-dev                 ..bullseye         ..22.04      python3-dev
python-pip                 x                  x            python3-pip
python-setuptools          ..bullseye         *            python3-setuptools
python-virtualenv          x                  *            python3-venv
python2                    ..bullseye         ..22.04      python3
python2.7                  ..bullseye         ..22.04      python3
python2.7-*                ..bullseye         ..22.04      python3
pip3                       -                  -            python3-pip
python-pip3                -                  -            python3-pip
venv                       -                  -            python3-venv
python3.7                  x                  x            : take FROM python:3.7-slim for that Python
python3.7-*                x                  x            : take FROM python:3.7-slim for that Python
python3.8                  x                  ..20.04      : take FROM python:3.8-slim for that Python
python3.8-*                x                  ..20.04      : take FROM python:3.8-slim for that Python
python3.9                  ..bullseye         ..20.04      : take FROM python:3.9-slim for that Python
python3.9-*                ..bullseye         ..20.04      : take FROM python:3.9-slim for that Python
python3.10                 -                  22.04..22.04 : take FROM python:3.10-slim for that Python
python3.10-*               -                  22.04..22.04 : take FROM python:3.10-slim for that Python
python3.11                 bookworm..bookworm 22.04..22.04 : take FROM python:3.11-slim for that Python
python3.11-*               bookworm..bookworm 22.04..22.04 : take FROM python:3.11-slim for that Python
python3.12                 -                  24.04..      : take FROM python:3.12-slim for that Python
python3.12-*               -                  24.04..      : take FROM python:3.12-slim for that Python
python3.13                 trixie..           -            : take FROM python:3.13-slim for that Python
python3.13-dev             trixie..           -            : take FROM python:3.13-slim for that Python
python3.13-venv            trixie..           -            : take FROM python:3.13-slim for that Python
python3.13-distutils       -                  -            : distutils is gone since Python 3.12; setuptools has it
python3.12-distutils       -                  -            : distutils is gone since Python 3.12; setuptools has it
python3.14                 -                  -            : take FROM python:3.14-slim for that Python
python3.14-*               -                  -            : take FROM python:3.14-slim for that Python
software-properties-common ..bookworm         *            : leave it out; add-apt-repository is for Ubuntu's PPAs
lsb-core                   x                  ..22.04      lsb-release
ubuntu-restricted-extras   -                  *
libasound2                 *                  ..22.04      libasound2t64
libasound2t64              trixie..           24.04..      libasound2
libaio1                    ..bookworm         ..22.04      libaio1t64
libaio1t64                 trixie..           24.04..      libaio1
libtiff5                   ..bullseye         ..22.04      libtiff6
libtiff6                   bookworm..         24.04..      libtiff5
libssl1.0.0                x                  x            libssl-dev
libssl1.0-dev              x                  x            libssl-dev
libssl1.1                  ..bullseye         ..20.04      libssl3
libssl3                    bookworm..         22.04..      libssl1.1
libwebp6                   ..bullseye         ..20.04      libwebp7
libwebp7                   bookworm..         22.04..      libwebp6
libffi6                    x                  x            libffi-dev
libffi7                    ..bullseye         ..20.04      libffi8
libffi8                    bookworm..         22.04..      libffi7
libicu63                   x                  -            libicu-dev
libicu66                   -                  ..20.04      libicu-dev
libicu67                   ..bullseye         -            libicu-dev
libicu70                   -                  22.04..22.04 libicu-dev
libicu72                   bookworm..bookworm -            libicu-dev
libicu74                   -                  24.04..24.04 libicu-dev
libicu76                   trixie..trixie     -            libicu-dev
libvpx6                    ..bullseye         ..20.04      libvpx-dev
libvpx7                    bookworm..bookworm 22.04..22.04 libvpx-dev
libvpx9                    trixie..trixie     24.04..24.04 libvpx-dev
libreadline6               x                  x            libreadline-dev
libreadline7               x                  x            libreadline8
libreadline-gplv2-dev      x                  *            libreadline-dev
libgdbm5                   x                  x            libgdbm6
libncurses5                ..bookworm         ..22.04      libncurses6
libncursesw5               ..bookworm         ..22.04      libncursesw6
libtinfo5                  ..bookworm         ..22.04      libtinfo6
libpng12-0                 x                  x            libpng16-16
libpng12-dev               x                  x            libpng-dev
libjasper1                 x                  x
libjasper-dev              x                  x
libjpeg62-turbo            *                  -            libjpeg-turbo8
libjpeg62-turbo-dev        *                  -            libjpeg-dev
libjpeg-turbo8             -                  *            libjpeg62-turbo
libjpeg-turbo8-dev         -                  *            libjpeg62-turbo-dev
libjpeg8                   x                  *            libjpeg62-turbo
libjpeg8-dev               x                  *            libjpeg62-turbo-dev
libdc1394-22               x                  *            libdc1394-25
libdc1394-22-dev           ..bullseye         *            libdc1394-dev
libgconf-2-4               ..bookworm         *            : leave it out; today's browsers do not need it
gconf-service              ..bookworm         *            : leave it out; today's browsers do not need it
libappindicator1           ..bookworm         *            libayatana-appindicator3-1
libindicator7              x                  *
libatlas-base-dev          ..bookworm         *            libopenblas-dev
libopenblas-base           ..bullseye         *            libopenblas0
libav-tools                x                  x            ffmpeg
ffmepg                     -                  -            ffmpeg
libavresample-dev          ..bullseye         *            libswresample-dev
libavcodec57               x                  x            libavcodec-extra
libavcodec58               ..bullseye         ..22.04      libavcodec-extra
libavcodec59               bookworm..bookworm -            libavcodec-extra
libavcodec60               -                  24.04..24.04 libavcodec-extra
libavcodec61               trixie..trixie     -            libavcodec-extra
libavformat58              ..bullseye         ..22.04      libavformat-extra
libavformat59              bookworm..bookworm -            libavformat-extra
libavformat60              -                  24.04..24.04 libavformat-extra
libavformat61              trixie..trixie     -            libavformat-extra
libavutil56                ..bullseye         ..22.04      ffmpeg
libavutil57                bookworm..bookworm -            ffmpeg
libavutil58                -                  24.04..24.04 ffmpeg
libavutil59                trixie..trixie     -            ffmpeg
libswscale5                ..bullseye         ..22.04      ffmpeg
libswscale6                bookworm..bookworm -            ffmpeg
libswscale7                -                  24.04..24.04 ffmpeg
libswscale8                trixie..trixie     -            ffmpeg
libmysqlclient-dev         x                  *            default-libmysqlclient-dev
libmariadbclient-dev       x                  *            libmariadb-dev
mysql-client               x                  *            default-mysql-client
mysql-server               x                  *            default-mysql-server
mongodb                    x                  ..20.04      : MongoDB has a repository of its own
nodejs-legacy              x                  x            nodejs
nodejs-lts                 -                  -            nodejs
openjdk-8-*                x                  *            default-jdk-headless
openjdk-11-*               ..bullseye         *            default-jdk-headless
openjdk-17-*               ..bookworm         *            openjdk-21-jdk-headless
openjdk-21-*               trixie..           *            openjdk-17-jdk-headless
openjdk                    -                  -            default-jdk-headless
jdk                        -                  -            default-jdk-headless
jre                        -                  -            default-jre-headless
java                       -                  -            default-jre-headless
wkhtmltopdf                ..bookworm         *            : it is no longer packaged; take weasyprint, or chromium
libgdk-pixbuf2.0-0         ..bookworm         *            libgdk-pixbuf-2.0-0
libgdk-pixbuf2.0-dev       ..bookworm         *            libgdk-pixbuf-2.0-dev
libpango1.0-0              ..bookworm         *            libpango-1.0-0
libhdf5-103                ..bookworm         *            libhdf5-310
libodbc1                   ..bookworm         *            libodbc2
odbcinst1debian2           ..bookworm         *            libodbcinst2
libpcre3                   ..bookworm         *            libpcre2-8-0
libpcre3-dev               ..bookworm         *            libpcre2-dev
libtbb2                    ..bullseye         *            libtbb12
qt5-default                x                  ..20.04      qtbase5-dev
libqt4-dev                 x                  x            qtbase5-dev
libqt4-test                x                  x            libqt5test5
libqtgui4                  x                  x            libqt5gui5
policykit-1                ..bookworm         *            polkitd
libwebkit2gtk-4.0-dev      ..bookworm         ..22.04      libwebkit2gtk-4.1-dev
gir1.2-webkit2-4.0         ..bookworm         ..22.04      gir1.2-webkit2-4.1
libldap-2.4-2              ..bullseye         ..20.04      libldap-dev
libldap-2.5-0              bookworm..bookworm 22.04..22.04 libldap-dev
libmagickwand-6.q16-6      ..bookworm         *            libmagickwand-7.q16-10
libenchant1c2a             x                  ..20.04      libenchant-2-2
netcat                     ..bullseye         ..22.04      netcat-openbsd
bsdtar                     x                  *            libarchive-tools
neofetch                   ..bookworm         *            fastfetch
youtube-dl                 ..bookworm         *            yt-dlp
yarn                       ..bookworm         *            : npm install -g yarn
texlive-generic-recommended x                  x            texlive-plain-generic
fonts-kacst                ..bookworm         *
ttf-dejavu                 x                  *            fonts-dejavu
ttf-dejavu-core            x                  *            fonts-dejavu-core
ttf-freefont               x                  *            fonts-freefont-ttf
ttf-liberation             x                  *            fonts-liberation
ttf-opensans               x                  *            fonts-open-sans
ttf-unifont                ..bullseye         *            fonts-unifont
ttf-wqy-microhei           ..bookworm         *            fonts-wqy-microhei
ttf-ubuntu-font-family     -                  *            : it is in Debian's non-free, which the image lacks
ttf-mscorefonts-installer  -                  *            : it is in Debian's contrib, which the image lacks
msttcorefonts              -                  *            : it is in Debian's contrib, which the image lacks
unrar                      -                  *            unrar-free
rar                        -                  *            : it is in Debian's non-free, which the image lacks
libfaac-dev                -                  *            : it is in Debian's non-free, which the image lacks
libfdk-aac-dev             -                  *            : it is in Debian's non-free, which the image lacks
nvidia-cuda-toolkit        -                  *            : take a base with CUDA, or PyTorch's wheels
nvidia-driver              -                  *            : leave it out; a Space with a GPU brings the driver
nvidia-smi                 -                  *            : leave it out; a Space with a GPU brings it
chromium-browser           x                  *            chromium
chromium-chromedriver      x                  *            chromium-driver
chromedriver               x                  *            chromium-driver
google-chrome-stable       -                  -            : Google has a repository of its own; Debian has chromium
docker-ce                  -                  -            : Docker has a repository of its own; a Space cannot run it
docker-ce-*                -                  -            : Docker has a repository of its own; a Space cannot run it
mongodb-org                -                  -            : MongoDB has a repository of its own
msodbcsql17                -                  -            : Microsoft has a repository of its own
msodbcsql18                -                  -            : Microsoft has a repository of its own
powershell                 -                  -            : Microsoft has a repository of its own
cuda                       -                  -            : take an nvidia/cuda base, or wheels that bring it
cuda-toolkit               -                  -            : take an nvidia/cuda base, or wheels that bring it
libcudnn8                  -                  -            : take an nvidia/cuda base, or wheels that bring it
nvidia-container-toolkit   -                  -            : leave it out; it belongs on the machine, not in the image
google-cloud-sdk           -                  -            : Google has a repository of its own
google-cloud-cli           -                  -            : Google has a repository of its own
terraform                  -                  -            : HashiCorp has a repository of its own
winehq-stable              -                  -            : WineHQ has a repository of its own
elasticsearch              -                  -            : Elastic has a repository of its own
cloudflared                -                  -            : Cloudflare has a repository of its own
ollama                     -                  -            : curl -fsSL https://ollama.com/install.sh | sh
poetry                     -                  -            : pip install poetry
uv                         -                  -            : pip install uv
pnpm                       -                  -            : npm install -g pnpm
bun                        -                  -            : npm install -g bun
deno                       -                  -            : npm install -g deno
opencv-python              -                  -            : pip install opencv-python-headless
opencv                     -                  -            libopencv-dev
tesseract                  -                  -            tesseract-ocr
redis-cli                  -                  -            redis-tools
supervisord                -                  -            supervisor
rust                       -                  -            rustc
sqlite                     -                  *            sqlite3
sqlite3-dev                -                  -            libsqlite3-dev
portaudio                  -                  -            portaudio19-dev
build-essentials           -                  -            build-essential
build_essential            -                  -            build-essential
build-base                 -                  -            build-essential
gcc-c++                    -                  -            g++
openssl-dev                -                  -            libssl-dev
openssl-devel              -                  -            libssl-dev
zlib-dev                   -                  -            zlib1g-dev
zlib-devel                 -                  -            zlib1g-dev
libffi-devel               -                  -            libffi-dev
python3-devel              -                  -            python3-dev
python-devel               -                  -            python3-dev
py3-pip                    -                  -            python3-pip
jpeg-dev                   -                  -            libjpeg-dev
postgresql-dev             -                  -            libpq-dev
mariadb-dev                -                  -            libmariadb-dev
mesa-gl                    -                  -            libgl1
mesa-libGL                 -                  -            libgl1
gcompat                    -                  -            : leave it out; it is for Alpine
php7.4                     ..bullseye         ..20.04      php
php7.4-*                   ..bullseye         ..20.04      php
php8.1                     -                  22.04..22.04 php
php8.1-*                   -                  22.04..22.04 php
php8.2                     bookworm..bookworm -            php
php8.2-*                   bookworm..bookworm -            php
php8.3                     -                  24.04..24.04 php
php8.3-*                   -                  24.04..24.04 php
php8.4                     trixie..trixie     -            php
php8.4-*                   trixie..trixie     -            php
postgresql-client-13       ..bullseye         *            postgresql-client
postgresql-client-14       -                  *            postgresql-client
postgresql-client-15       bookworm..bookworm *            postgresql-client
postgresql-client-16       -                  *            postgresql-client
postgresql-client-17       trixie..trixie     *            postgresql-client
gcc-8                      x                  *            gcc
gcc-9                      ..bullseye         *            gcc
gcc-10                     ..bullseye         *            gcc
g++-9                      ..bullseye         *            g++
g++-10                     ..bullseye         *            g++
"""

# What people ask apk for by its name in Debian, and what Alpine calls it.
_ALPINE = {
    "build-essential": "build-base",
    "libssl-dev": "openssl-dev",
    "zlib1g-dev": "zlib-dev",
    "python3-pip": "py3-pip",
    "python3-venv": "python3",
    "libgl1": "mesa-gl",
    "libgl1-mesa-glx": "mesa-gl",
    "libglib2.0-0": "glib",
    "libsm6": "libsm",
    "libxext6": "libxext",
    "libxrender1": "libxrender",
    "default-jre": "openjdk21-jre",
    "xz-utils": "xz",
    "software-properties-common": "",
    "apt-transport-https": "",
}


# apt-get reads a dot as "any character", and finds another package by it.
_LOOSE = {("python3.8", "trixie"), ("python3.10", "bullseye"), ("python3.13", "bullseye")}


@dataclass(frozen=True)
class Missing:
    """A package that a release does not have."""

    name: str
    instead: str  # a package that does the same; "" where none is known
    advice: str  # a sentence where no package does
    was_there: bool  # in another release: it was renamed or dropped


def missing(name: str, distribution: str, release: str) -> Missing | None:
    """Whether a package is surely not to be had there; None where it is, or where that is not known."""
    if distribution == "alpine" and name in _ALPINE:
        return Missing(name, _ALPINE[name], "" if _ALPINE[name] else "leave it out; it is Debian's", False)
    row = _row(name) if release in RELEASES.get(distribution, ()) else None
    if row is None:
        return None
    releases = row[0 if distribution == "debian" else 1]
    if releases == "*" or (name, release) in _LOOSE or _has(releases, release, RELEASES[distribution]):
        return None
    return Missing(name, row[2], row[3], releases != "-")


def _has(releases: str, release: str, known: tuple[str, ...]) -> bool:
    if releases in ("-", "x"):
        return False
    first, _, last = releases.partition("..")
    place = known.index(release)
    return (not first or known.index(first) <= place) and (not last or place <= known.index(last))


def _row(name: str) -> tuple[str, str, str, str] | None:
    """The line of a package, or of the longest beginning that stands for it."""
    table, beginning = _rows(), name
    while name not in table and "-" in beginning:
        beginning = beginning.rpartition("-")[0]
        if f"{beginning}-*" in table:
            return table[f"{beginning}-*"]
    return table.get(name)


@cache
def _rows() -> dict[str, tuple[str, str, str, str]]:
    rows = {}
    for line in _TABLE.strip().splitlines():
        fields, _, advice = line.partition(" : ")
        name, debian, ubuntu, *instead = fields.split()
        rows[name] = (debian, ubuntu, " ".join(instead), advice.strip())
    return rows
