"""Spaces and buckets, in the order in which they are called."""

from __future__ import annotations

from huggingface_hub import CommitOperationAdd, Volume

from tests.contract.call import call
from tests.contract.repo_calls import BLOCK, BROKEN_CARD, CARD, TEXT
from tests.contract.session import Session

DOCKERFILE = 'FROM python:3.11-slim\nWORKDIR /app\nCOPY app.py .\nENV PORT=7860\nCMD ["python", "app.py"]\n'
APP = """\
import http.server as web, os
print("serving", flush=True)
web.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), web.SimpleHTTPRequestHandler).serve_forever()
"""
START_SECONDS = 900.0
SPACE, STATIC, BUCKET = "create a docker space", "create a static space", "create a bucket"


# Spaces


@call()
def list_the_hardware(we: Session) -> object:
    return we.raw("GET", "/api/spaces/hardware")


@call()
def create_a_space_without_an_sdk(we: Session) -> object:
    return we.raw("POST", "/api/repos/create", json={"name": f"{we.run}-none", "type": "space", "private": True})


@call()
def create_a_static_space(we: Session) -> object:
    return we.api.create_repo(we.static, repo_type="space", space_sdk="static", private=True)


@call(STATIC)
def runtime_of_a_static_space(we: Session) -> object:
    return we.raw("GET", f"/api/spaces/{we.static}/runtime")


@call(STATIC)
def pause_a_static_space(we: Session) -> object:
    return we.api.pause_space(we.static)


@call()
def create_a_docker_space(we: Session) -> object:
    return we.api.create_repo(
        we.space,
        repo_type="space",
        space_sdk="docker",
        private=True,
        space_variables=[{"key": "FIRST", "value": "1", "description": "of the create call"}],
        space_secrets=[{"key": "HIDDEN", "value": "secret"}],
    )


@call(SPACE)
def runtime_before_anything_is_pushed(we: Session) -> object:
    return we.raw("GET", f"/api/spaces/{we.space}/runtime")


@call(SPACE)
def push_an_app(we: Session) -> object:
    files = {"README.md": CARD, "Dockerfile": DOCKERFILE, "app.py": APP}
    operations = [CommitOperationAdd(path, text.encode()) for path, text in files.items()]
    return we.api.create_commit(we.space, operations, repo_type="space", commit_message="app")


@call(SPACE)
def push_a_card_that_cannot_be(we: Session) -> object:
    return we.api.upload_file(
        path_or_fileobj=BROKEN_CARD.encode(), path_in_repo="README.md", repo_id=we.space, repo_type="space"
    )


@call(SPACE)
def wait_until_it_runs(we: Session) -> object:
    return we.api.wait_for_space(we.space, timeout=START_SECONDS)


@call(SPACE)
def space_info(we: Session) -> object:
    return we.api.space_info(we.space)


@call(SPACE)
def read_the_build_log(we: Session) -> object:
    return we.first_event(f"/api/spaces/{we.space}/logs/build")


@call(SPACE)
def read_the_run_log(we: Session) -> object:
    return we.first_event(f"/api/spaces/{we.space}/logs/run")


@call(SPACE)
def follow_the_events(we: Session) -> object:
    return we.first_event(f"/api/spaces/{we.space}/events")


@call(SPACE)
def follow_the_metrics(we: Session) -> object:
    return we.first_event(f"/api/spaces/{we.space}/metrics")


@call(SPACE)
def logs_without_a_token(we: Session) -> object:
    return we.raw("GET", f"/api/spaces/{we.space}/logs/run", token=None)


@call(SPACE)
def set_a_variable(we: Session) -> object:
    return we.api.add_space_variable(we.space, "SECOND", "2", description="later")


@call(SPACE)
def list_variables(we: Session) -> object:
    return we.api.get_space_variables(we.space)


@call(SPACE)
def delete_a_variable(we: Session) -> object:
    return we.api.delete_space_variable(we.space, "SECOND")


@call(SPACE)
def delete_a_variable_that_there_is_not(we: Session) -> object:
    return we.api.delete_space_variable(we.space, "NONE")


@call(SPACE)
def set_a_variable_with_a_name_that_cannot_be(we: Session) -> object:
    return we.api.add_space_variable(we.space, "not a name", "x")


@call(SPACE)
def set_a_secret(we: Session) -> object:
    return we.api.add_space_secret(we.space, "TOKEN", "value", description="of somewhere")


@call(SPACE)
def list_secrets(we: Session) -> object:
    return we.raw("GET", f"/api/spaces/{we.space}/secrets")


@call(SPACE)
def delete_a_secret(we: Session) -> object:
    return we.api.delete_space_secret(we.space, "TOKEN")


@call(SPACE)
def delete_volumes_where_there_are_none(we: Session) -> object:
    return we.api.delete_space_volumes(we.space)


@call(SPACE)
def set_a_volume(we: Session) -> object:
    return we.api.set_space_volumes(we.space, [Volume(type="model", source=we.model, mount_path="/model")])


@call(SPACE)
def set_a_volume_of_what_there_is_not(we: Session) -> object:
    return we.api.set_space_volumes(we.space, [Volume(type="model", source=f"{we.model}-none", mount_path="/x")])


@call(SPACE)
def sleep_time_on_free_hardware(we: Session) -> object:
    return we.api.set_space_sleep_time(we.space, 3600)


@call(SPACE)
def hardware_that_there_is_not(we: Session) -> object:
    return we.raw("POST", f"/api/spaces/{we.space}/hardware", json={"flavor": "quantum"})


@call(SPACE)
def hf_spaces_variables_list(we: Session) -> object:
    return we.hf("spaces", "variables", "list", we.space)


@call(SPACE)
def pause_it(we: Session) -> object:
    return we.api.pause_space(we.space)


@call(SPACE)
def runtime_of_a_paused_space(we: Session) -> object:
    return we.raw("GET", f"/api/spaces/{we.space}/runtime")


@call(SPACE)
def restart_it(we: Session) -> object:
    return we.api.restart_space(we.space)


@call(SPACE)
def rebuild_it(we: Session) -> object:
    return we.api.restart_space(we.space, factory_reboot=True)


@call(SPACE)
def duplicate_it(we: Session) -> object:
    return we.api.duplicate_repo(we.space, f"{we.space}-copy", repo_type="space", private=True)


# buckets


@call()
def create_a_bucket(we: Session) -> object:
    return we.api.create_bucket(we.bucket, private=True)


@call(BUCKET)
def create_the_bucket_again(we: Session) -> object:
    return we.api.create_bucket(we.bucket, private=True)


@call(BUCKET)
def upload_to_a_bucket(we: Session) -> object:
    return we.api.batch_bucket_files(we.bucket, add=[(TEXT, "small.txt"), (BLOCK, "folder/large.bin")])


@call(BUCKET)
def bucket_info(we: Session) -> object:
    return we.api.bucket_info(we.bucket)


@call(BUCKET)
def list_buckets(we: Session) -> object:
    return list(we.api.list_buckets(we.me, search=we.run))


@call(BUCKET)
def list_the_tree_of_a_bucket(we: Session) -> object:
    return list(we.api.list_bucket_tree(we.bucket))


@call(BUCKET)
def list_the_top_of_a_bucket(we: Session) -> object:
    return list(we.api.list_bucket_tree(we.bucket, recursive=False))


@call(BUCKET)
def paths_info_of_a_bucket(we: Session) -> object:
    return list(we.api.get_bucket_paths_info(we.bucket, ["small.txt", "none"]))


@call(BUCKET)
def metadata_of_a_file_in_a_bucket(we: Session) -> object:
    return we.api.get_bucket_file_metadata(we.bucket, "folder/large.bin")


@call(BUCKET)
def download_from_a_bucket(we: Session) -> object:
    we.api.download_bucket_files(we.bucket, [("folder/large.bin", we.folder / "from-bucket.bin")])
    we.check((we.folder / "from-bucket.bin").read_bytes() == BLOCK)


@call(BUCKET)
def delete_a_file_of_a_bucket(we: Session) -> object:
    return we.api.batch_bucket_files(we.bucket, delete=["small.txt"])


@call()
def a_bucket_that_there_is_not(we: Session) -> object:
    return we.api.bucket_info(f"{we.bucket}-none")


@call(BUCKET)
def hf_buckets_list(we: Session) -> object:
    return we.hf("buckets", "list", we.me)
