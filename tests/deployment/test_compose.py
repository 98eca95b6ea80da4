"""What docker-compose.yml and the Dockerfile promise, read from the files themselves."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from workers.host import _STOP_SECONDS

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
LASTING = [name for name in SERVICES if name != "migrate"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_everything_the_service_needs_is_there():
    parts = {"redis", "postgres", "migrate", "scheduler", "llm-worker", "train-worker", "gpu-worker"}
    assert set(SERVICES) == parts
    assert SERVICES["gpu-worker"]["profiles"] == ["gpu"]


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_has_a_health_check_and_is_started_again(name):
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_migrations_run_once_before_anything_works():
    assert SERVICES["migrate"]["restart"].startswith("on-failure")
    for name in ("scheduler", "llm-worker", "train-worker", "gpu-worker"):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("name", ["llm-worker", "train-worker", "gpu-worker"])
def test_trials_have_time_to_write_their_checkpoint(name):
    assert seconds(SERVICES[name]["stop_grace_period"]) > _STOP_SECONDS


@pytest.mark.parametrize("name", list(SERVICES))
def test_ports_are_published_on_this_host_only(name):
    for port in SERVICES[name].get("ports", []):
        assert isinstance(port, str) and port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", list(SERVICES))
def test_nobody_is_root_and_roots_are_read_only(name):
    user = SERVICES[name]["user"].split(":")[0]
    assert user.isdigit() and int(user) > 0
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICES[name]["security_opt"]
    assert "privileged" not in SERVICES[name]


def test_secrets_come_from_files_and_stay_out_of_the_environment():
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            assert key.endswith("_FILE") or not re.search("PASSWORD|KEY|SECRET|TOKEN|DATABASE_URL", key), (name, key)
            assert "@" not in str(value)
    assert "secrets" in (ROOT / ".dockerignore").read_text().splitlines()
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_only_the_llm_worker_has_keys_and_a_way_out():
    for name in ("train-worker", "gpu-worker", "scheduler"):
        assert SERVICES[name]["secrets"] == ["rewardsmith_database_url"]
        assert SERVICES[name]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_one_dockerfile_has_the_targets_that_are_built():
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    names = {name for _, name in stages}
    assert {service["build"]["target"] for service in SERVICES.values() if "build" in service} <= names
    run = DOCKERFILE.split("AS run")[1].split("FROM")[0]
    assert "USER 10001" in run


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_docker_itself_can_read_it(tmp_path):
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0:
        pytest.skip("docker has no compose")
    command = ["docker", "compose", "--file", str(ROOT / "docker-compose.yml"), "--profile", "gpu", "config", "--quiet"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
