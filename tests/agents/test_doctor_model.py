"""`doctor --model` makes one tiny call, and a job says beforehand what it is likely to cost."""

from __future__ import annotations

import json
from pathlib import Path

from provider import Provider, Reply, completion, error
from running import in_process

from rewardsmith.agents.refused_parameters import forget
from rewardsmith.offline.dry_run import LIKELY_ANSWER, plan_calls
from rewardsmith.spec import JobSpec
from rewardsmith.spec.job import with_defaults

KEY = {"OPENAI_API_KEY": "sk-planted-7f3a91c2"}


def doctor(folder: Path, url: str, *more: str):
    ran = in_process(
        folder, "doctor", "--model", "openai/gpt-4o", "--api-base", url, "--format", "json", *more, env=KEY
    )
    return ran, {row["about"]: row for row in json.loads(ran.stdout)}


def test_one_tiny_call_shows_the_model_and_the_accepted_parameters(tmp_path: Path) -> None:
    forget()
    fine = completion('{"ready": true}')
    named = Reply(body={**fine.body, "system_fingerprint": "fp_1"})
    refused = error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    with Provider(refused, error(400, "temperature is not supported"), named) as provider:
        ran, found = doctor(tmp_path, provider.url)
        asked = len(provider.asked)
    forget()
    assert ran.returncode == 0 and asked == 3
    assert "gpt-4o-2024-08-06 answered (completed)" in found["model"]["text"] and "fp_1" in found["model"]["text"]
    assert found["parameters"]["text"] == (
        "accepted: response_format; max_tokens is called max_completion_tokens; refused and left out: temperature"
    )
    assert not (tmp_path / ".rewardsmith").exists()


def test_a_model_that_does_not_answer_fails_the_check(tmp_path: Path) -> None:
    with Provider(error(401, "wrong key")) as provider:
        ran, found = doctor(tmp_path, provider.url)
    assert ran.returncode == 1 and found["model"]["verdict"] == "FAIL"
    assert "API key of openai" in found["model"]["remedy"]


def test_the_forecast_names_likely_and_largest_cost() -> None:
    values = {"task": "CartPole-v1", "method": "free", "model": "openai/gpt-4o", "iterations": 2, "samples": 3}
    plan = plan_calls(JobSpec.model_validate(with_defaults(values)))
    assert plan.likely_calls == 2 * 3 + 2 * 3 + 2 * 2
    prompt = max(plan.estimates)
    assert plan.likely_usd is not None and plan.usd is not None
    assert abs(plan.likely_usd - 16 * (prompt * 2.5e-6 + LIKELY_ANSWER * 1e-5)) < 1e-9
    assert plan.likely_usd < plan.usd
    assert f"about 16, ${plan.likely_usd:.4f}" in plan.forecast and f"at most {plan.calls:,}" in plan.forecast
    unpriced = plan_calls(JobSpec.model_validate(with_defaults({**values, "model": "openai/mine"})))
    assert "of unknown price" in unpriced.forecast
