"""The guarantees of docker-compose.yml and the Dockerfile, checked on the files."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.host import _STOP_SECONDS

ROOT = Path(__file__).parents[2]
CALLER = {"REWARDSMITH_UID": "1234", "REWARDSMITH_GID": "4321"}


def rendered(variables: dict[str, str]) -> dict[str, Any]:
    """docker-compose.yml as compose reads it: the plain and the defaulted variables that it uses are filled in."""
    text = (ROOT / "docker-compose.yml").read_text()
    filled = re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: variables.get(m[1]) or m[2] or "", text)
    assert "${" not in filled
    return yaml.safe_load(filled)


COMPOSE = rendered(CALLER)
SERVICES = COMPOSE["services"]
LASTING = [name for name in SERVICES if name != "migrate"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_compose_has_every_service():
    parts = {"redis", "postgres", "migrate", "scheduler", "llm-worker", "train-worker", "gpu-worker"}
    assert set(SERVICES) == parts
    assert SERVICES["gpu-worker"]["profiles"] == ["gpu"]


@pytest.mark.parametrize("name", LASTING)
def test_lasting_services_have_health_checks_and_restart(name):
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
def test_no_container_runs_as_root_and_file_systems_are_read_only(name):
    user = SERVICES[name]["user"].split(":")[0]
    assert user.isdigit() and int(user) > 0
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICES[name]["security_opt"]
    assert "privileged" not in SERVICES[name]


@pytest.mark.parametrize("name", list(SERVICES))
def test_containers_run_as_the_caller_who_alone_can_read_the_secrets(name):
    assert SERVICES[name]["user"] == "1234:4321"
    if "build" in SERVICES[name]:
        assert SERVICES[name]["build"]["args"] == {"UID": "1234", "GID": "4321"}


@pytest.mark.parametrize("name", list(SERVICES))
def test_no_container_runs_as_root_without_a_caller_either(name):
    assert rendered({})["services"][name]["user"] == "10001:10001"


def test_postgres_cluster_folder_suits_any_user():
    postgres = SERVICES["postgres"]
    volume = next(v for v in postgres["volumes"] if v.startswith("database:")).split(":")[1]
    assert postgres["environment"]["PGDATA"].startswith(volume + "/")
    assert f"{volume}/PG_VERSION" in postgres["entrypoint"][-1]
    assert "/var/run/postgresql:uid=1234,gid=4321" in postgres["tmpfs"]


@pytest.fixture
def made_up_folder(tmp_path) -> Path:
    """A folder for `make up`, with a `docker` program that records its arguments."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\necho "$@ $REWARDSMITH_UID:$REWARDSMITH_GID" >> docker.log\n')
    docker.chmod(0o755)
    return tmp_path


def make_up(folder: Path) -> str:
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    command = ["sh", "-c", "umask 022; exec make up"]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return (folder / "docker.log").read_text().splitlines()[-1]


def readers_of_secrets(folder: Path) -> set[str]:
    """Modes and owners of the secrets, as the set of who may read them."""
    found = [folder / "secrets", *(folder / "secrets").iterdir()]
    assert len(found) == 5
    others = stat.S_IRWXG | stat.S_IRWXO
    return {f"{p.stat().st_uid}" if not p.stat().st_mode & others else f"others of {p.name}" for p in found}


def test_make_up_leaves_no_secret_readable_by_others(made_up_folder):
    output = make_up(made_up_folder)
    caller = os.geteuid() or 10001
    assert output.startswith("compose up") and output.split()[-1].split(":")[0] == str(caller)
    assert readers_of_secrets(made_up_folder) == {str(caller)}


def test_make_up_tightens_open_secrets_and_keeps_keys(made_up_folder):
    make_up(made_up_folder)
    key = made_up_folder / "secrets" / "openai_api_key"
    key.write_text("sk-planted-1")
    password = (made_up_folder / "secrets" / "postgres_password").read_text()
    (made_up_folder / "secrets").chmod(0o755)
    for secret in (made_up_folder / "secrets").iterdir():
        secret.chmod(0o644)
    make_up(made_up_folder)
    assert readers_of_secrets(made_up_folder) == {str(os.geteuid() or 10001)}
    assert (
        key.read_text() == "sk-planted-1" and (made_up_folder / "secrets" / "postgres_password").read_text() == password
    )


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
def test_docker_itself_accepts_the_file(tmp_path):
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0:
        pytest.skip("docker has no compose")
    command = ["docker", "compose", "--file", str(ROOT / "docker-compose.yml"), "--profile", "gpu", "config", "--quiet"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **CALLER})
    assert ran.returncode == 0, ran.stderr
