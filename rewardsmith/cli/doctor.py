"""`doctor`: checks database, broker, workers, GPU, sandbox, keys, artifact store and disk."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from rewardsmith.cli import screen

_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY", "OPENROUTER_API_KEY")
_SECRETS = Path("/run/secrets")
_ENOUGH_GB = 5.0


@dataclass(frozen=True)
class Finding:
    """The result of one check: "ok", "warn" (works without it) or "FAIL", a finding, and a remedy."""

    about: str
    verdict: str
    text: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add `doctor` to the application."""
    app.command()(doctor)


def doctor(
    form: str = typer.Option("table", "--format", help="table, json or csv."),
    model: str | None = typer.Option(None, help="Check this language model instead, with one tiny call."),
    api_base: str | None = typer.Option(None, help="With --model: URL of an OpenAI-compatible server."),
) -> None:
    """Check the setup of this host and print remedies.

    Checks database, broker, workers, GPU, sandbox, API keys, artifact store and disk. With --model it checks a language
    model instead: it makes one tiny call and shows which parameters are accepted. The exit code is 1 if a check fails.
    """
    from rewardsmith.config import settings

    chosen = settings()
    looks: list[Callable[[Any], Finding]] = [_database, _broker, _workers, _gpu, _sandbox, _keys, _artifacts, _disk]
    findings = [look(chosen) for look in looks] if model is None else _model(model, api_base, chosen)
    shown = screen.table(None, [("check", "left"), ("", "left"), ("finding", "left")])
    for f in findings:
        shown.add_row(f.about, f.verdict, f.text + (f"\n{f.remedy}" if f.remedy else ""))
    screen.emit([f.__dict__ for f in findings], form, shown)
    if any(f.verdict == "FAIL" for f in findings):
        raise typer.Exit(1)


def _model(name: str, api_base: str | None, chosen: Any) -> list[Finding]:
    from rewardsmith.agents.models import ModelFailed
    from rewardsmith.agents.probing import probe

    try:
        found = probe(name, api_base, chosen.model_parameters)
    except ModelFailed as failed:
        return [Finding("model", "FAIL", failed.cause, failed.remedy)]
    answer = found.answer
    tokens = f"{answer.usage.prompt_tokens} + {answer.usage.completion_tokens} tokens"
    tokens = tokens if answer.usage.prompt_tokens is not None else "tokens not reported"
    price = "unknown price" if answer.price_usd is None else f"${answer.price_usd:.6f}"
    known = f", fingerprint {answer.fingerprint}" if answer.fingerprint else ""
    text = f"{answer.model or name} answered ({answer.outcome}) in {answer.latency_s:.1f} s: {tokens}, {price}{known}"
    said = Finding("model", "ok" if answer.completed else "warn", text)
    return [said, Finding("parameters", "ok", found.words)]


def _database(chosen: Any) -> Finding:
    from sqlalchemy.engine import make_url

    from rewardsmith.errors import RewardsmithError
    from rewardsmith.storage.database import HEAD, open_database

    if chosen.url.startswith("sqlite") and not Path(chosen.url.removeprefix("sqlite:///")).exists():
        return Finding(
            "database", "ok", f"{chosen.url} does not exist yet; the first `rewardsmith run` or `submit` creates it"
        )
    try:
        open_database(chosen.url, migrate=False)
    except RewardsmithError as error:
        return Finding("database", "FAIL", error.cause, error.remedy)
    shown = make_url(chosen.url).render_as_string(hide_password=True)
    return Finding("database", "ok", f"{shown}, version {HEAD}")


def _broker(chosen: Any) -> Finding:
    remedy = "Start Redis and set REWARDSMITH_BROKER_URL. Only `worker` and `scheduler` need it."
    try:
        import redis
    except ModuleNotFoundError:
        return Finding("broker", "warn", "redis is not installed", "pip install 'rewardsmith[service]'")
    try:
        client = redis.Redis.from_url(chosen.broker_url, socket_connect_timeout=2, socket_timeout=2)
        info: Any = client.info()
        waiting = {name: client.llen(name) for name in ("llm", "control", "train")}
    except (redis.RedisError, OSError, ValueError) as error:
        return Finding("broker", "warn", f"Redis does not answer: {str(error).splitlines()[0]}", remedy)
    held = ", ".join(f"{name} {count}" for name, count in waiting.items())
    return Finding("broker", "ok", f"Redis {info['redis_version']}; notifications waiting: {held}")


def _workers(chosen: Any) -> Finding:
    from rewardsmith import __version__
    from rewardsmith.errors import RewardsmithError
    from rewardsmith.storage.database import open_database, read
    from rewardsmith.storage.workers import STALE_SECONDS, read_workers

    try:
        with read(open_database(chosen.url, migrate=False, must_exist=True)) as connection:
            rows = [row for row in read_workers(connection) if row["age"] < STALE_SECONDS]
    except RewardsmithError:
        return Finding(
            "workers",
            "warn",
            "unknown, because there is no database",
            "See the line `database`; `run` needs no workers.",
        )
    others = sorted({row["version"] for row in rows} - {__version__})
    if others:
        text = f"workers run version {', '.join(others)}, this program is version {__version__}"
        return Finding("workers", "FAIL", text, "Install the same version everywhere, then restart the workers.")
    schedulers = [row for row in rows if row["queues"] == "scheduler"]
    working = [row for row in rows if row["queues"] != "scheduler"]
    served = {name for row in working for name in row["queues"].split(",")}
    missing = sorted({"llm", "control", "train"} - served)
    if not schedulers or missing:
        lacks = [*(f"no worker of queue {m}" for m in missing), *([] if schedulers else ["no scheduler"])]
        remedy = (
            "Only submitted jobs need them: `rewardsmith worker --queue llm,control,train`, `rewardsmith scheduler`."
        )
        return Finding("workers", "warn", ", ".join(lacks), remedy)
    return Finding("workers", "ok", f"{len(working)} workers, {len(schedulers)} schedulers, version {__version__}")


def _gpu(chosen: Any) -> Finding:
    import torch

    wanted = [device for device in chosen.devices.split(",") if device]
    if not torch.cuda.is_available():
        remedy = (
            "Install the driver and a CUDA build of torch (the image's target `cuda`), or unset REWARDSMITH_DEVICES."
        )
        if wanted:
            return Finding("GPU", "FAIL", f"REWARDSMITH_DEVICES is {chosen.devices}, but torch sees no GPU", remedy)
        if Path("/dev/nvidia0").exists():
            return Finding("GPU", "warn", f"this host has a GPU, but torch {torch.__version__} does not see it", remedy)
        return Finding("GPU", "ok", "none; MiniGrid trains on the processor")
    count = torch.cuda.device_count()
    if unknown := [device for device in wanted if device.isdigit() and int(device) >= count]:
        text = f"REWARDSMITH_DEVICES names GPU {', '.join(unknown)}, but this host has {count}"
        return Finding("GPU", "FAIL", text, f"Use indices from 0 to {count - 1}.")
    names = {torch.cuda.get_device_name(k) for k in range(count)}
    return Finding("GPU", "ok", f"{count}: {', '.join(sorted(names))}")


def _sandbox(chosen: Any) -> Finding:
    from rewardsmith.engine.sandbox_level import observe
    from rewardsmith.errors import RewardsmithError
    from sandbox.isolation import Isolation

    try:
        seen = observe()
    except RewardsmithError as error:
        return Finding("sandbox", "FAIL", error.cause, error.remedy)
    text = f"sandbox level {seen.level}; in force: {', '.join(seen.held) or 'nothing'}"
    if seen.missing:
        text += "; not in force: " + ", ".join(f"{layer} ({why})" for layer, why, _ in seen.missing)
    remedy = "\n".join(dict.fromkeys(remedy for _, _, remedy in seen.missing))
    if not seen.level.is_below(Isolation.floor(weak=False)):
        return Finding("sandbox", "ok", text, remedy)
    return Finding("sandbox", "warn" if chosen.allow_weak_sandbox else "FAIL", text, remedy)


def _keys(_chosen: Any) -> Finding:
    files = (_SECRETS / name.lower() for name in _KEYS)
    given = {file.name.upper() for file in files if file.is_file() and file.stat().st_size}
    present = [name for name in _KEYS if os.environ.get(name) or name in given]
    if present:
        return Finding("keys", "ok", f"present: {', '.join(present)}")
    return Finding(
        "keys", "warn", "no key of a known provider", "Set one, such as OPENAI_API_KEY; `synth` needs no key."
    )


def _artifacts(chosen: Any) -> Finding:
    from rewardsmith.errors import RewardsmithError
    from rewardsmith.storage.artifacts import ArtifactStore

    if "://" not in chosen.store_url and not Path(chosen.store_url).exists():
        return Finding(
            "artifacts", "ok", f"{chosen.store_url} does not exist yet; the first trial that ends creates it"
        )
    try:
        ArtifactStore(chosen.store_url).check()
    except RewardsmithError as error:
        return Finding("artifacts", "FAIL", error.cause, error.remedy)
    return Finding("artifacts", "ok", f"{chosen.store_url} can be written and read")


def _disk(chosen: Any) -> Finding:
    folder = next(p for p in (chosen.artifacts, *chosen.artifacts.parents) if p.exists())
    free = shutil.disk_usage(folder).free / 1e9
    whose, closing = _privacy(chosen.home)
    if free < _ENOUGH_GB:
        remedy = "Free disk space (`rewardsmith db gc`), or set REWARDSMITH_HOME to another disk."
        text = f"{free:.1f} GB free at {folder}{whose}"
        return Finding("disk", "FAIL" if free < 0.5 else "warn", text, f"{remedy} {closing}".strip())
    return Finding("disk", "warn" if closing else "ok", f"{free:.0f} GB free at {folder}{whose}", closing)


def _privacy(home: Path) -> tuple[str, str]:
    """Return a phrase on whether other users can read the database's folder, and the remedy if they can."""
    from rewardsmith.config import is_private

    if not home.is_dir():
        return "", ""
    if is_private(home):
        return f"; {home} is private to its user", ""
    mode = stat.S_IMODE(home.stat().st_mode)
    text = f"; {home} has mode {mode:o}: other users can read prompts, answers and programs in it"
    return text, f"chmod 700 {home.resolve()}"
