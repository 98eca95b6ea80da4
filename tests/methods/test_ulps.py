"""ULPS in trials: blending, gates, distillation, resuming, exported weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import ROLLOUT, TASK, Killed, run

from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.methods.ulps import blend
from rewardsmith.tasks import get_task

TINY = {"pairs": 300, "language_model_epochs": 2, "passes": 3, "anneal": 0.5, "final_episodes": 10}


@pytest.fixture(scope="module", autouse=True)
def module_cache(tmp_path_factory):
    """A cache for this module's fitted teachers; layouts, which take longer to build, stay in the shared cache."""
    from rewardsmith.methods.teacher import language_model

    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language_model, "cache_folder", lambda: folder)
        yield folder


def test_the_blend_and_its_gradient_equal_the_paper_s():
    own = torch.randn(5, 7, requires_grad=True)
    teacher_output, h = torch.softmax(torch.randn(5, 7), 1), torch.tensor([[0.0], [0.2], [0.5], [0.9], [1.0]])
    log_b = blend(teacher_output, h, own)
    pi = torch.softmax(own, 1)
    assert torch.allclose(log_b.exp(), (1 - h) * teacher_output + h * pi, atol=1e-6)
    log_b[:, 2].sum().backward()
    # grad log b(a) = (h pi(a) / b(a)) grad log pi(a), and grad log pi(a) = onehot(a) - pi.
    share = (h[:, 0] * pi[:, 2] / log_b[:, 2].exp()).detach()
    expected = share[:, None] * (torch.eye(7)[2] - pi.detach())
    assert torch.allclose(own.grad, expected, atol=1e-5)
    assert own.grad[0].abs().max() == 0  # no gradient reaches pi where the language model is certain


def test_a_guided_trial_is_annealed_and_scored_with_its_model_too(tmp_path, module_cache):
    report, curve = run(tmp_path, {get_method("ulps"): TINY})
    reports = [p.telemetry["methods"]["ulps"] for p in curve]
    assert reports[0]["h"] < reports[1]["h"] < 1.0 and reports[0]["agreement"] is not None
    assert reports[-1]["trust"] == 0.0 and reports[-1]["h"] is None
    assert reports[2]["states_asked"] == 7 * ROLLOUT  # the model is not asked once pi acts alone
    assert 0.0 <= reports[-1]["success_with_language_model"] <= 1.0
    assert reports[-1]["privileged"] and reports[-1]["language_model_accuracy"] > 0.3
    assert report.complete
    assert list(module_cache.glob("guides/*/reliability.png"))


def test_a_resumed_trial_ends_with_the_same_weights(tmp_path):
    method = get_method("ulps")
    options = {**TINY, "anneal": 1.0}
    run(tmp_path / "whole", {method: options})
    with pytest.raises(Killed):
        run(tmp_path / "killed", {method: options}, kill_at=13)
    run(tmp_path / "killed", {method: options})
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()


def test_the_exported_weights_have_the_shapes_of_a_plain_policy(tmp_path):
    from safetensors.torch import load_file

    run(tmp_path / "guided", {get_method("ulps"): TINY})
    run(tmp_path / "plain", {get_method("sparse"): {}})
    guided, plain = (load_file(tmp_path / name / "policy.safetensors") for name in ("guided", "plain"))
    assert {k: v.shape for k, v in guided.items()} == {k: v.shape for k, v in plain.items()}


@pytest.mark.parametrize("gate", ["information", "decay", "single"])
def test_other_gates_and_prompts_of_the_agent_s_view_train(tmp_path, gate):
    options = {**TINY, "gate": gate, "prompts": "view" if gate == "information" else "privileged"}
    _, curve = run(tmp_path, {get_method("ulps"): options})
    reports = curve[0].telemetry["methods"]["ulps"]
    assert reports["privileged"] == (gate != "information")
    if gate == "decay":  # depends on time alone: rollouts 1 and 2 of the 7 guided ones
        assert reports["h"] == pytest.approx((0 + 1 / 7) / 2, abs=0.001)


def test_distillation_moves_the_policy_towards_certain_actions(tmp_path):
    losses = {}
    for weight in (0.0, 5.0):
        _, curve = run(tmp_path / str(weight), {get_method("ulps"): {**TINY, "distill": weight, "anneal": 1.0}})
        losses[weight] = [p.telemetry["methods"]["ulps"] for p in curve]
    assert losses[0.0][0]["agreement"] == 0.0  # off
    taught = [t["agreement"] for t in losses[5.0] if t["agreement"] is not None]
    assert taught[-1] >= taught[0] > 0.0


def test_a_task_without_planner_is_refused_when_the_job_is_made():
    with pytest.raises(UsageError, match="cannot be searched") as caught:
        get_method("ulps").program(get_task("CartPole-v1"), None)
    assert len(str(caught.value).splitlines()) == 2


def test_behaviour_cloning_starts_from_the_same_pairs(tmp_path):
    report, curve = run(tmp_path, {get_method("clone"): {"pairs": 300, "epochs": 5}})
    reports = [p.telemetry["methods"]["clone"] for p in curve if "clone" in p.telemetry["methods"]]
    assert reports[0]["accuracy"] > 0.3 and report.complete


def test_a_pretrained_model_is_loaded_fitted_and_found_again(tmp_path):
    transformers = pytest.importorskip("transformers")
    from rewardsmith.methods.teacher.language_model import TeacherSpec, fitted_teacher

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *["walls", "ahead", "behind", "left", "right", "carrying", "nothing", "key"],
    ]
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join([*words, *map(str, range(10)), ":", ".", ","]))
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=len(words) + 13, max_position_embeddings=64, **size)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    spec = TeacherSpec(language_model=str(folder), pairs=200, epochs=1, passes=3)
    first, again = (fitted_teacher(get_task(TASK), spec) for _ in range(2))
    prompts = ["walls: 1 ahead. key 2 left.", "carrying nothing."]
    from rewardsmith.methods.teacher.uncertainty import ask_encoder

    opinion = ask_encoder(first.model, prompts)
    passes = first.model(first.model.encode(prompts))
    assert len(passes) == 3 and (passes[0] != passes[1]).any()
    assert np.allclose(opinion.probs, ask_encoder(again.model, prompts).probs)
