"""Tests build their own small pools, in a folder of their own."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    before = os.environ.get("REWARDSMITH_CACHE")
    os.environ["REWARDSMITH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["REWARDSMITH_CACHE"]
    else:
        os.environ["REWARDSMITH_CACHE"] = before
