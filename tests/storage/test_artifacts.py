"""The artifact store: one contract for a folder and for a filesystem that only fsspec knows; what gc may remove."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.errors import StorageError
from rewardsmith.spec import JobSpec
from rewardsmith.storage import garbage, records
from rewardsmith.storage.artifacts import ArtifactStore


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path.name}/store")


@pytest.fixture
def policy(tmp_path) -> Path:
    path = tmp_path / "policy.safetensors"
    path.write_bytes(b"weights" * 1000)
    return path


def test_content_is_read_back_by_its_hash(store, policy):
    key, digest = store.put(policy)
    assert key == f"sha256/{digest[:2]}/{digest}.safetensors"
    assert store.get(key) == policy.read_bytes() and store.holds(key)


def test_the_same_content_is_kept_once(store, policy):
    assert store.put(policy) == store.put(policy)
    (found,) = store.listed()
    assert (found.size, found.key) == (7000, store.put(policy)[0]) and found.modified is not None


def test_a_write_that_breaks_leaves_nothing_behind(store, policy, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(type(store._files), "mv", broken)
        with pytest.raises(StorageError, match="No space left"):
            store.put(policy)
    assert list(store.listed()) == []


def test_driver_errors_are_reported_with_a_remedy(store, policy, monkeypatch):
    class EndpointConnectionError(Exception):
        """An error like botocore's, which is no OSError."""

    def away(*_: object, **__: object) -> None:
        raise EndpointConnectionError("could not connect to the endpoint")

    with monkeypatch.context() as patched:
        patched.setattr(type(store._files), "pipe_file", away)
        with pytest.raises(StorageError, match="could not connect"):
            store.put(policy)
        with pytest.raises(StorageError, match="could not connect"):
            store.check()


def test_a_mistyped_bucket_is_not_made(policy):
    class Buckets(MemoryFileSystem):
        protocol = ("s3", "s3a")
        made: ClassVar[list[str]] = []

        def makedirs(self, path: str, exist_ok: bool = False) -> None:
            self.made.append(path)

    store = ArtifactStore("memory://lba/store")
    store._files = Buckets()
    store.check()
    store.get(store.put(policy)[0])
    assert Buckets.made == []


def test_a_damaged_file_is_not_returned(store, policy):
    key, _ = store.put(policy)
    store._files.pipe_file(store._place(key), b"other")
    with pytest.raises(StorageError, match="damaged"):
        store.get(key)


def test_a_missing_file_names_the_setting(store):
    with pytest.raises(StorageError) as caught:
        store.get(f"sha256/ab/ab{'0' * 62}.safetensors")
    assert "REWARDSMITH_ARTIFACTS_URL" in caught.value.remedy


def test_deleted_content_is_gone(store, policy):
    key, _ = store.put(policy)
    store.check()
    store.remove(key)
    assert not store.holds(key) and list(store.listed()) == []


def test_an_unknown_kind_of_store_names_the_setting():
    with pytest.raises(StorageError) as caught:
        ArtifactStore("nowhere://bucket")
    assert "REWARDSMITH_ARTIFACTS_URL" in caught.value.remedy


def context_with_a_trial(tmp_path: Path) -> tuple[Context, str, int]:
    context = open_context(Settings(home=tmp_path / "home"))
    job = lifecycle.create_job(context, JobSpec(task="CartPole-v1", confirm=0))
    with context.database.begin() as connection:
        trial = records.put_trial(connection, job, f"{job}-sparse", "search", 0, state="done")
    return context, job, trial


def test_gc_removes_only_what_is_old_and_not_named(tmp_path, policy):
    context, job, trial = context_with_a_trial(tmp_path)
    key, digest = context.store.put(policy)
    policy.write_bytes(b"of a trial that was lost")
    orphan, _ = context.store.put(policy)
    policy.write_bytes(b"about to be named")
    young, _ = context.store.put(policy)
    for old in (key, orphan):
        os.utime(tmp_path / "home/store" / old, (time.time() - 7200,) * 2)
    with context.database.begin() as connection:
        records.put_artifact(connection, job_id=job, trial_id=trial, kind="policy", path=key, sha256=digest)
    found = garbage.find_garbage(context.database, context.settings.artifacts, context.store)
    assert [file.name for file in found] == [orphan]
    for file in found:
        garbage.remove(file, context.store)
    assert {file.key for file in context.store.listed()} == {key, young}


def test_storing_content_again_renews_its_age(tmp_path, policy):
    context, _, _ = context_with_a_trial(tmp_path)
    key, _ = context.store.put(policy)
    os.utime(tmp_path / "home/store" / key, (time.time() - 7200,) * 2)
    context.store.put(policy)  # by a trial that will refer to it shortly
    assert garbage.find_garbage(context.database, context.settings.artifacts, context.store) == []
