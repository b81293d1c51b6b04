"""Accounts, repositories, files, history, pull requests and git, in the order in which they are called."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete

from tests.contract.call import call
from tests.contract.session import Session

TEXT, BLOCK = b"hello\n", bytes(range(256)) * 4096  # a regular file, and a megabyte that is stored as a large one
CARD = "---\ntitle: Contract\nsdk: docker\n---\n"
BROKEN_CARD = "---\ntitle: Contract\nsdk: docker\ncolorFrom: beige\n---\n"
NO_SHA = "0" * 40
MODEL, DATASET = "create a model", "create a dataset"


# accounts


@call()
def whoami(we: Session) -> object:
    return we.api.whoami()


@call()
def whoami_with_a_wrong_token(we: Session) -> object:
    return we.raw("GET", "/api/whoami-v2", token="hf_wrong")


@call()
def whoami_without_a_token(we: Session) -> object:
    return we.raw("GET", "/api/whoami-v2", token=None)


@call()
def hf_auth_whoami(we: Session) -> object:
    return we.hf("auth", "whoami")


# repositories


@call()
def create_a_model(we: Session) -> object:
    return we.api.create_repo(we.model, private=True)


@call(MODEL)
def create_it_again(we: Session) -> object:
    return we.api.create_repo(we.model, private=True)


@call(MODEL)
def create_it_again_if_need_be(we: Session) -> object:
    return we.api.create_repo(we.model, private=True, exist_ok=True)


@call()
def create_a_dataset(we: Session) -> object:
    return we.api.create_repo(we.dataset, repo_type="dataset", private=True)


@call()
def create_in_a_namespace_of_others(we: Session) -> object:
    return we.api.create_repo(f"huggingface/{we.run}", private=True)


@call()
def create_with_a_name_that_cannot_be(we: Session) -> object:
    return we.raw("POST", "/api/repos/create", json={"name": f"{we.run}--x", "private": True})


@call(MODEL)
def model_info(we: Session) -> object:
    return we.api.model_info(we.model, files_metadata=True)


@call(MODEL)
def model_info_expanded(we: Session) -> object:
    return we.api.model_info(we.model, expand=["sha", "lastModified", "private", "siblings", "tags", "usedStorage"])


@call(MODEL)
def info_expanded_by_what_there_is_not(we: Session) -> object:
    return we.raw("GET", f"/api/models/{we.model}?expand=nothing")


@call()
def info_of_what_there_is_not(we: Session) -> object:
    return we.api.model_info(f"{we.model}-none")


@call(MODEL)
def info_of_a_private_model_without_a_token(we: Session) -> object:
    return we.raw("GET", f"/api/models/{we.model}", token=None)


@call(MODEL)
def info_with_a_wrong_token(we: Session) -> object:
    return we.raw("GET", f"/api/models/{we.model}", token="hf_wrong")


@call(MODEL)
def info_of_a_revision_that_there_is_not(we: Session) -> object:
    return we.api.model_info(we.model, revision="none")


@call(MODEL)
def info_in_other_letters(we: Session) -> object:
    return we.api.model_info(we.model.upper())


@call(MODEL)
def list_models(we: Session) -> object:
    return list(we.api.list_models(author=we.me, search=we.run, sort="last_modified", limit=2))


@call(MODEL)
def list_own_repositories(we: Session) -> object:
    return we.raw("GET", "/api/settings/repositories")


@call(MODEL)
def auth_check(we: Session) -> object:
    return we.api.auth_check(we.model)


@call()
def auth_check_of_what_there_is_not(we: Session) -> object:
    return we.api.auth_check(f"{we.model}-none")


@call(MODEL)
def gate_it(we: Session) -> object:
    return we.api.update_repo_settings(we.model, gated="auto")


@call(MODEL)
def open_it_again(we: Session) -> object:
    return we.api.update_repo_settings(we.model, gated=False)


@call(MODEL)
def hf_models_info(we: Session) -> object:
    return we.hf("models", "info", we.model)


@call()
def hf_models_info_of_what_there_is_not(we: Session) -> object:
    return we.hf("models", "info", f"{we.model}-none")


# files


@call(MODEL)
def upload_a_small_file(we: Session) -> object:
    return we.api.upload_file(path_or_fileobj=TEXT, path_in_repo="small.txt", repo_id=we.model)


@call(MODEL)
def upload_a_large_file(we: Session) -> object:
    return we.api.upload_file(path_or_fileobj=BLOCK, path_in_repo="folder/large.bin", repo_id=we.model)


@call(MODEL)
def upload_what_is_there_already(we: Session) -> object:
    return we.api.upload_file(path_or_fileobj=TEXT, path_in_repo="small.txt", repo_id=we.model)


@call(MODEL)
def commit_a_copy_and_a_deletion(we: Session) -> object:
    we.api.upload_file(path_or_fileobj=TEXT, path_in_repo="gone.txt", repo_id=we.model)
    operations = [CommitOperationCopy("folder/large.bin", "copy.bin"), CommitOperationDelete("gone.txt")]
    return we.api.create_commit(we.model, operations, commit_message="copy and delete")


@call(MODEL)
def commit_on_a_parent_that_is_not_the_head(we: Session) -> object:
    operations = [CommitOperationAdd("late.txt", TEXT)]
    return we.api.create_commit(we.model, operations, commit_message="late", parent_commit=NO_SHA)


@call(MODEL)
def commit_to_a_branch_that_there_is_not(we: Session) -> object:
    return we.api.upload_file(path_or_fileobj=TEXT, path_in_repo="a.txt", repo_id=we.model, revision="none")


@call(MODEL)
def delete_a_file_that_there_is_not(we: Session) -> object:
    return we.api.delete_file("none.txt", we.model)


@call(MODEL)
def commit_a_path_that_leads_out(we: Session) -> object:
    header = '{"key":"header","value":{"summary":"out","description":""}}'
    file = '{"key":"file","value":{"path":"../out.txt","content":"aGVsbG8=","encoding":"base64"}}'
    return we.raw("POST", f"/api/models/{we.model}/commit/main", **we.ndjson(header, file))


@call(MODEL)
def commit_a_large_file_that_never_arrived(we: Session) -> object:
    header = '{"key":"header","value":{"summary":"out","description":""}}'
    file = '{"key":"lfsFile","value":{"path":"lost.bin","algo":"sha256","oid":"%s","size":5}}' % ("5" * 64)
    return we.raw("POST", f"/api/models/{we.model}/commit/main", **we.ndjson(header, file))


@call(MODEL)
def preupload(we: Session) -> object:
    files = [{"path": "small.txt", "sample": "aGVsbG8=", "size": 5}, {"path": "b.bin", "sample": "AAAA", "size": 9}]
    return we.raw("POST", f"/api/models/{we.model}/preupload/main", json={"files": files})


@call(MODEL)
def preupload_nonsense(we: Session) -> object:
    return we.raw("POST", f"/api/models/{we.model}/preupload/main", content=b"{")


@call(MODEL)
def list_the_tree(we: Session) -> object:
    return list(we.api.list_repo_tree(we.model, recursive=True))


@call(MODEL)
def list_the_tree_with_last_commits(we: Session) -> object:
    return list(we.api.list_repo_tree(we.model, recursive=True, expand=True))


@call(MODEL)
def list_a_folder_that_there_is_not(we: Session) -> object:
    return list(we.api.list_repo_tree(we.model, "none"))


@call(MODEL)
def paths_info(we: Session) -> object:
    return we.api.get_paths_info(we.model, ["small.txt", "folder", "none"])


@call(MODEL)
def head_of_a_small_file(we: Session) -> object:
    return we.raw("HEAD", f"/{we.model}/resolve/main/small.txt")


@call(MODEL)
def metadata_of_a_large_file(we: Session) -> object:
    return we.api.get_hf_file_metadata(url=we.address("resolve/main/folder/large.bin"))


@call(MODEL)
def part_of_a_small_file(we: Session) -> object:
    return we.raw("GET", f"/{we.model}/resolve/main/small.txt", headers={"Range": "bytes=1-3"})


@call(MODEL)
def part_beyond_the_end(we: Session) -> object:
    return we.raw("GET", f"/{we.model}/resolve/main/small.txt", headers={"Range": "bytes=900-"})


@call(MODEL)
def a_file_that_there_is_not(we: Session) -> object:
    return we.raw("HEAD", f"/{we.model}/resolve/main/none.txt")


@call(MODEL)
def a_pointer(we: Session) -> object:
    return we.raw("GET", f"/{we.model}/raw/main/folder/large.bin")


@call(MODEL)
def download_a_small_file(we: Session) -> object:
    return we.api.hf_hub_download(we.model, "small.txt", local_dir=we.folder / "small")


@call(MODEL)
def download_a_large_file(we: Session) -> object:
    path = Path(we.api.hf_hub_download(we.model, "folder/large.bin", local_dir=we.folder / "large"))
    we.check(path.read_bytes() == BLOCK)


@call(MODEL)
def lfs_batch(we: Session) -> object:
    objects = [{"oid": "5" * 64, "size": 5}]
    body = {"operation": "upload", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256"}
    headers = {"Accept": "application/vnd.git-lfs+json"}
    return we.raw("POST", f"/{we.model}.git/info/lfs/objects/batch", json=body, headers=headers)


@call()
def validate_yaml(we: Session) -> object:
    return we.raw("POST", "/api/validate-yaml", json={"content": CARD, "repoType": "space"})


@call()
def validate_wrong_yaml(we: Session) -> object:
    return we.raw("POST", "/api/validate-yaml", json={"content": BROKEN_CARD, "repoType": "space"})


@call(MODEL)
def hf_upload_and_download(we: Session) -> object:
    (we.folder / "by-hf.txt").write_bytes(TEXT)
    we.hf("upload", we.model, str(we.folder / "by-hf.txt"), "by-hf.txt")
    return we.hf("download", we.model, "by-hf.txt")


@call(MODEL)
def hf_download_of_what_there_is_not(we: Session) -> object:
    return we.hf("download", we.model, "none.txt")


# history


@call(MODEL)
def list_commits(we: Session) -> object:
    return we.api.list_repo_commits(we.model, formatted=True)


@call(MODEL)
def create_a_branch(we: Session) -> object:
    return we.api.create_branch(we.model, branch="other")


@call(MODEL)
def create_the_branch_again(we: Session) -> object:
    return we.api.create_branch(we.model, branch="other")


@call(MODEL)
def create_a_branch_with_the_name_of_a_reference(we: Session) -> object:
    return we.api.create_branch(we.model, branch="refs/pr/5")


@call(MODEL)
def create_a_tag(we: Session) -> object:
    return we.api.create_tag(we.model, tag="v1", tag_message="first")


@call(MODEL)
def create_the_tag_again(we: Session) -> object:
    return we.api.create_tag(we.model, tag="v1")


@call(MODEL)
def list_references(we: Session) -> object:
    return we.api.list_repo_refs(we.model, include_pull_requests=True)


@call(MODEL)
def hf_repos_tag_list(we: Session) -> object:
    return we.hf("repos", "tag", "list", we.model)


@call(MODEL)
def delete_a_tag(we: Session) -> object:
    return we.api.delete_tag(we.model, tag="v1")


@call(MODEL)
def delete_a_tag_that_there_is_not(we: Session) -> object:
    return we.api.delete_tag(we.model, tag="none")


@call(MODEL)
def delete_a_branch(we: Session) -> object:
    return we.api.delete_branch(we.model, branch="other")


@call(MODEL)
def delete_a_branch_that_there_is_not(we: Session) -> object:
    return we.api.delete_branch(we.model, branch="none")


@call(MODEL)
def delete_main(we: Session) -> object:
    return we.api.delete_branch(we.model, branch="main")


# pull requests


@call(MODEL)
def upload_as_a_pull_request(we: Session) -> object:
    return we.api.upload_file(path_or_fileobj=TEXT, path_in_repo="pr.txt", repo_id=we.model, create_pr=True)


@call("upload as a pull request")
def list_pull_requests(we: Session) -> object:
    return list(we.api.get_repo_discussions(we.model))


@call("upload as a pull request")
def a_pull_request(we: Session) -> object:
    return we.api.get_discussion_details(we.model, 1)


@call("upload as a pull request")
def files_of_a_pull_request(we: Session) -> object:
    return we.api.list_repo_files(we.model, revision="refs/pr/1")


@call("upload as a pull request")
def merge_a_pull_request(we: Session) -> object:
    return we.api.merge_pull_request(we.model, 1)


@call(MODEL)
def open_and_close_a_pull_request(we: Session) -> object:
    opened = we.api.create_pull_request(we.model, title="Empty", description="nothing yet")
    return we.api.change_discussion_status(we.model, opened.num, new_status="closed")


@call(MODEL)
def a_discussion_that_there_is_not(we: Session) -> object:
    return we.api.get_discussion_details(we.model, 999)


@call(MODEL)
def squash_the_history(we: Session) -> object:
    return we.api.super_squash_history(we.model)


# git


@call(MODEL)
def git_clone(we: Session) -> object:
    return we.git("clone", we.git_url(we.model), "clone")


@call("git clone")
def git_push(we: Session) -> object:
    (we.folder / "clone" / "by-git.txt").write_bytes(TEXT)
    return we.git_commit_and_push("clone")


@call("git push")
def git_push_of_a_binary(we: Session) -> object:
    (we.folder / "clone" / "binary.dat").write_bytes(BLOCK)
    return we.git_commit_and_push("clone")


@call(MODEL)
def git_shallow_clone_with_suffix(we: Session) -> object:
    return we.git("clone", "--depth=1", f"{we.git_url(we.model)}.git", "shallow")


@call(MODEL)
def git_without_a_token(we: Session) -> object:
    return we.git("ls-remote", we.git_url(we.model), token=None)


@call()
def git_of_what_there_is_not(we: Session) -> object:
    return we.git("ls-remote", f"{we.git_url(we.model)}-none")


@call(MODEL)
def git_with_a_wrong_token(we: Session) -> object:
    return we.git("ls-remote", we.git_url(we.model), token="hf_wrong")


# names


@call(DATASET)
def move_a_dataset(we: Session) -> object:
    return we.api.move_repo(we.dataset, f"{we.dataset}-moved", repo_type="dataset")


@call("move a dataset")
def info_under_the_former_name(we: Session) -> object:
    return we.api.dataset_info(we.dataset)


@call("move a dataset")
def a_file_under_the_former_name(we: Session) -> object:
    return we.raw("GET", f"/datasets/{we.dataset}/resolve/main/README.md")


@call("move a dataset")
def delete_the_dataset(we: Session) -> object:
    return we.api.delete_repo(f"{we.dataset}-moved", repo_type="dataset")


@call()
def delete_what_there_is_not(we: Session) -> object:
    return we.api.delete_repo(f"{we.model}-none")


@call()
def a_call_that_there_is_not(we: Session) -> object:
    return we.raw("GET", "/api/there-is-no-such-call")
