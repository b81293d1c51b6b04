"""Where an image's paths lie on this machine, and how stages move."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaceops.localhub.images import Images
from spaceops.localhub.runners import Image
from spaceops.localhub.runners.layers import KEPT, Layers
from spaceops.localhub.runners.paths import ImagePaths, clone, is_within, relocate, remove


@pytest.fixture
def paths() -> ImagePaths:
    return ImagePaths(Path("/build"), {"/app", "/home/user", "/opt/venv"})


def test_what_lies_in_its_place_already_stays() -> None:
    paths = ImagePaths(Path("/tmp/a b/run"), {"/tmp"})
    assert paths.translate("'/tmp/a b/run/root/x' '/tmp/y'", in_shell=True) == (
        "'/tmp/a b/run/root/x' '/tmp/a b/run/root/tmp/y'"
    )


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("/app", "/build/root/app"),
        ("/app/main.py", "/build/root/app/main.py"),
        ("--config=/app/x.toml", "--config=/build/root/app/x.toml"),
        ("cat '/app/x' \"/app/y\"", "cat '/build/root/app/x' \"/build/root/app/y\""),
        ("/app:/home/user/lib", "/build/root/app:/build/root/home/user/lib"),
        ("(cd /app;ls)>/app/z", "(cd /build/root/app;ls)>/build/root/app/z"),
        ("/usr/local/bin/python", "/build/env/bin/python"),
        ("/opt/venv/bin:/usr/local/bin:/usr/bin", "/build/root/opt/venv/bin:/build/env/bin:/usr/bin"),
        ("/apple /app.py /app-data /application", "/apple /app.py /app-data /application"),
        ("http://127.0.0.1/app http://host/home/user", "http://127.0.0.1/app http://host/home/user"),
        ("./app/x src/app ../app ~/app $HOME/app ${X}/app", "./app/x src/app ../app ~/app $HOME/app ${X}/app"),
        ("file:///app", "file:///app"),
        ("/home/other /opt", "/home/other /opt"),
    ],
)
def test_only_the_images_own_paths_are_translated(paths: ImagePaths, text: str, translated: str) -> None:
    assert paths.translate(text) == translated


@pytest.mark.parametrize("folder", ["/my build", "/it's", "/a$HOME", '/a"b', "/a`b\\c", "/a;b&c"])
@pytest.mark.parametrize(
    ("word", "before"),
    [("/app/x", ""), ("'/app/x'", ""), ('"/app/x"', ""), ("\\'=/app/x", "'="), ("'a b='/app/x", "a b=")],
)
def test_a_shell_reads_the_translated_path_whatever_it_holds(folder: str, word: str, before: str) -> None:
    text = ImagePaths(Path(folder), {"/app"}).translate(f"printf %s {word}", in_shell=True)
    said = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True).stdout
    assert said == f"{before}{folder}/root/app/x"


@given(st.text(alphabet="/aphe .'\"$\\", max_size=30))
def test_translating_keeps_what_is_not_the_images(text: str) -> None:
    translated = ImagePaths(Path("/build"), {"/app"}).translate(text, in_shell=True)
    assert translated.replace("/build/root/app", "/app") == text


def test_knowing_a_path_covers_what_is_below_and_never_everything() -> None:
    paths = ImagePaths(Path("/build"))
    paths.know("/", "/srv/app/../data", "/x/")
    assert paths.prefixes == {"/srv/data", "/x"}
    assert [paths.is_own(path) for path in ("/x", "/x/y/z", "/xy", "/srv", "/usr/local/lib")] == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert paths.real("/srv/data") == Path("/build/root/srv/data")
    assert paths.real("/../../etc") == Path("/build/root/etc"), "nothing leads above the root"


def make_stage(folder: Path) -> Path:
    for name in ("root/app", "env/bin", "env/lib", "shims"):
        (folder / name).mkdir(parents=True)
    (folder / "root/app/data").write_text("data")
    (folder / "root/app/notes").write_text(f"mentions {folder}, and stays as it is")
    (folder / "env/bin/tool").write_text(f"#!{folder}/env/bin/python\n")
    (folder / "env/bin/tool").chmod(0o755)
    (folder / "env/bin/python").symlink_to("/usr/bin/python3")
    (folder / "env/bin/inner").symlink_to(folder / "env/bin/tool")
    (folder / "env/lib/editable.pth").write_text(f"{folder}/root/app\n")
    (folder / "env/lib/module.py").write_text("x = 1\n")
    return folder


def test_an_environment_among_the_files_is_shared_with_those_who_only_read(tmp_path: Path) -> None:
    old = make_stage(tmp_path / "old")
    (old / "root/opt/venv/lib").mkdir(parents=True)
    (old / "root/opt/venv/pyvenv.cfg").touch()
    (old / "root/opt/other").touch()

    clone(old, tmp_path / "reader", share=True)
    clone(old, tmp_path / "writer", share=False)

    assert (tmp_path / "reader/root/opt/venv/pyvenv.cfg").samefile(old / "root/opt/venv/pyvenv.cfg")
    assert not (tmp_path / "reader/root/opt/other").samefile(old / "root/opt/other")
    assert not (tmp_path / "writer/root/opt/venv/pyvenv.cfg").samefile(old / "root/opt/venv/pyvenv.cfg")
    assert (tmp_path / "reader/root/opt/venv/lib").is_dir()


def test_a_cloned_stage_works_at_its_new_place_and_leaves_the_old_one_alone(tmp_path: Path) -> None:
    old, new = make_stage(tmp_path / "old"), tmp_path / "new"
    clone(old, new, share=True)
    relocate(new, str(old), str(new))

    assert (new / "env/bin/tool").read_text() == f"#!{new}/env/bin/python\n"
    assert os.access(new / "env/bin/tool", os.X_OK)
    assert (new / "env/bin/python").readlink() == Path("/usr/bin/python3")
    assert (new / "env/bin/inner").readlink() == new / "env/bin/tool"
    assert (new / "env/lib/editable.pth").read_text() == f"{new}/root/app\n"
    assert (old / "env/bin/tool").read_text() == f"#!{old}/env/bin/python\n"
    assert (new / "env/lib/module.py").samefile(old / "env/lib/module.py"), "packages take no space twice"
    assert not (new / "root/app/data").samefile(old / "root/app/data"), "the app's files may be changed in place"
    assert str(old) in (new / "root/app/notes").read_text()


def test_layers_are_kept_by_use_and_unfinished_ones_are_not(tmp_path: Path) -> None:
    layers = Layers(tmp_path / "envs")
    layers.tidy()
    stage = make_stage(tmp_path / "stage")
    for number in range(KEPT + 2):
        layers.save(f"key{number}", stage, share=True)
        os.utime(tmp_path / f"envs/key{number}", (number, number))
    layers.save("key1", stage, share=True)
    layers.restore("key0", tmp_path / "restored", relocate, share=True)
    (tmp_path / "envs/.new-interrupted/env").mkdir(parents=True)
    layers.tidy()

    assert not [layers.has(f"key{number}") for number in (1, 2)].count(True)
    assert layers.has("key0"), "it was used last"
    assert len(list((tmp_path / "envs").iterdir())) == KEPT
    assert shlex.split((tmp_path / "restored/env/bin/tool").read_text()) == [f"#!{tmp_path}/restored/env/bin/python"]


def test_what_was_made_unwritable_can_be_removed(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    (tmp_path / "a/b").chmod(0o500)
    remove(tmp_path / "a", tmp_path / "never-there")
    assert list(tmp_path.iterdir()) == []


def test_a_path_is_within_a_folder_only_if_its_links_are(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/out").symlink_to("/etc")
    (tmp_path / "in/self").symlink_to("../in")
    assert is_within(tmp_path / "in/new/file", [tmp_path / "in"])
    assert is_within(tmp_path / "in/self/file", [tmp_path / "in"])
    assert not is_within(tmp_path / "in/out/passwd", [tmp_path / "in"])
    assert not is_within(tmp_path / "in/../other", [tmp_path / "in"])


def finished(folder: Path, sha: str) -> None:
    (folder / "stage-0/env/bin").mkdir(parents=True)
    (folder / "stage-0/env/bin/python").symlink_to("/bin/sh")
    image = Image(
        sha=sha,
        app_port=7860,
        stage="stage-0",
        workdir="/",
        home="/root",
        env={},
        entrypoint=[],
        command=[],
        prefixes=[],
        uid=1000,
        python="/bin/sh",
        isolation="theirs" if sha == "unfit" else "ours",
    )
    image.save(folder)


def test_of_the_builds_the_newest_and_those_in_use_are_kept(tmp_path: Path) -> None:
    images = Images(tmp_path, lambda image: image.isolation == "ours")
    assert images.newest() is None
    for sha in ("aaa", "bbb", "ccc", "aaa"):
        finished(images.new_folder(sha), sha)
    finished(tmp_path / "unfit-5", "unfit")
    assert images.of("unfit") is None, "built in another way"
    unfinished = images.new_folder("ddd")
    unfinished.mkdir()
    (tmp_path / "ddd-6.context").mkdir()
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [
        "aaa-1",
        "aaa-4",
        "bbb-2",
        "ccc-3",
        "ddd-6",
        "ddd-6.context",
        "unfit-5",
    ]
    newest, of_bbb = images.newest(), images.of("bbb")
    assert newest
    assert of_bbb
    assert (newest[1].name, of_bbb[1].name, images.of("ddd")) == ("aaa-4", "bbb-2", None)

    images.tidy({"bbb"})
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["aaa-4", "bbb-2"]
    assert images.new_folder("eee").name == "eee-5"
