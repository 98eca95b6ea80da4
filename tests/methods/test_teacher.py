"""The language model of ULPS: optimal actions, prompts, dropout, action distributions, calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rewardsmith.errors import UsageError
from rewardsmith.methods.teacher.calibration import auroc, calibrate, save_reliability_plot
from rewardsmith.methods.teacher.encoder import Dropout, EncoderSize, SmallEncoder, Vocabulary, draw_masks
from rewardsmith.methods.teacher.finetune import FROM_SCRATCH, fit
from rewardsmith.methods.teacher.oracle import collect, split_layouts
from rewardsmith.methods.teacher.prompts import FullState, SeenSoFar, describe
from rewardsmith.methods.teacher.uncertainty import CachedOpinions, Opinion, ask_encoder, opinion_of
from rewardsmith.tasks import get_task
from rewardsmith.tasks.minigrid.optimal import FAR, optimal_actions

TASK = "MiniGrid-DoorKey-5x5-v0"


@pytest.fixture(scope="module")
def episodes():
    task = get_task(TASK)
    return collect(task, split_layouts(task)["fit"][:6], 120, seed=0)


# ---- optimal actions


def test_optimal_actions_shorten_the_planners_distance():
    task = get_task(TASK)
    for layout in range(3):
        graph = task.state_graph(layout, 50_000)
        best = optimal_actions(graph)
        plan = task.plan(layout)
        assert plan is not None and plan.optimal
        assert best.distance[0] == len(plan.actions)
        after = np.where(graph.over, -1, graph.node[graph.successor])
        for node, action in np.argwhere(best.actions)[:500]:
            left = 0 if graph.won[node, action] else best.distance[after[node, action]]
            assert left == best.distance[node] - 1
        shorter = np.where(graph.won, 0, np.where(after >= 0, best.distance[after], FAR)) < best.distance[:, None] - 1
        assert not shorter.any()


def test_truncated_graph_gives_only_distances_of_the_whole_graph():
    task = get_task(TASK)
    whole = task.state_graph(0, 50_000)
    part = task.state_graph(0, len(whole.state) // 2)
    assert whole.complete and not part.complete
    known, cut = optimal_actions(whole), optimal_actions(part)
    sure = cut.exact & (cut.distance < FAR)
    nodes = len(part.state)
    assert (cut.distance[sure] == known.distance[:nodes][sure]).all()
    assert not cut.exact.all()


def test_layout_sets_share_no_layout():
    task = get_task("MiniGrid-UnlockPickup-v0")
    sets = split_layouts(task)
    hashes = {name: {task.pool("train").hashes[i] for i in found} for name, found in sets.items()}
    assert sum(map(len, sets.values())) == len(task.pool("train"))
    assert (
        not hashes["fit"] & hashes["test"]
        and not hashes["fit"] & hashes["stop"]
        and not hashes["stop"] & hashes["test"]
    )


def test_collected_states_are_labelled_with_all_optimal_actions(episodes):
    assert episodes.starts[0] and (episodes.rows[episodes.starts, 1] == 0).all()
    assert len(episodes) >= 120
    assert (episodes.optimal.sum(axis=1) >= 1).mean() > 0.95
    assert episodes.optimal.sum(axis=1).max() > 1  # ties exist, and are kept


# ---- prompts


def test_descriptions_give_positions_relative_to_the_agent():
    cells = np.full((5, 7), 18, np.uint8)
    cells[[0, -1]] = cells[:, [0, -1]] = 2 * 18
    cells[2, 4] = 4 * 18 + 4 * 3 + 2  # a locked yellow door
    cells[3, 2] = 7 * 18
    mission = "pick up the red box"
    facing_right = describe(cells, 2, 2, 0, 0, mission)
    assert facing_right == (
        "walls: 1 ahead, 1 behind, 1 left, 1 right. carrying nothing. "
        "locked door 2 ahead, 0 aside. box 0 ahead, 1 right."
    )
    facing_up = describe(cells, 2, 2, 3, 5 * 18, mission)
    assert "carrying key" in facing_up
    assert "locked door 0 ahead, 2 right. box 1 behind, 0 aside." in facing_up


def test_colours_are_named_only_to_distinguish_two_of_a_kind():
    cells = np.full((5, 5), 18, np.uint8)
    cells[1, 1], cells[1, 3] = 7 * 18, 7 * 18 + 3
    words = describe(cells, 2, 2, 0, 0, "pick up the green box")
    assert "target green box" in words and "red box" in words and "target red" not in words


def test_prompts_of_the_agent_s_view_contain_only_what_it_has_seen():
    task = get_task("MiniGrid-UnlockPickup-v0")
    batch = task.batch(1, "train")
    rows = np.zeros((1, task.schema.width), np.int32)
    observations = np.zeros((1, task.observation_size), np.float32)
    whole, seen = FullState(task, batch.tables, 1), SeenSoFar(task, batch.tables, 1)
    batch.play(0)

    def look(starts: bool) -> tuple[str, str]:
        batch.state_rows(rows)
        batch.observe(observations)
        for describer in (whole, seen):
            describer.look(rows, observations, np.array([starts]))
        return whole.words(0), seen.words(0)

    full, own = look(True)
    assert "box" in full and "box" not in own  # it lies behind a door
    met = [own]
    for _ in range(3):
        batch.step(np.array([1]))
        met.append(look(False)[1])
    around = {thing for thing in ("key", "door") if any(thing in words for words in met)}
    assert around and all(thing in met[-1] for thing in around)  # what was seen before is still named
    assert FullState.privileged and not SeenSoFar.privileged
    assert look(True)[1] != met[-1]  # a new episode remembers nothing
    batch.close()


def test_equal_keys_have_equal_descriptions(episodes):
    task = get_task(TASK)
    for kind in (FullState, SeenSoFar):
        describer, known = kind(task, episodes.tables, 1), {}
        for i in range(len(episodes)):
            one = slice(i, i + 1)
            (key,) = describer.look(episodes.rows[one], episodes.observations[one], episodes.starts[one])
            assert known.setdefault(key, describer.words(0)) == describer.words(0)
        assert len(known) > 20


# ---- the encoder and its uncertainty


def _model(prompts, passes=4) -> SmallEncoder:
    torch.manual_seed(0)
    model = SmallEncoder(Vocabulary.of(prompts), 7, EncoderSize(width=16, heads=2), rate=0.5).eval()
    draw_masks(model, passes, 0)
    return model


PROMPTS = ["walls: 1 ahead. carrying nothing.", "key 2 ahead, 1 left.", "box 3 behind."]


def test_an_action_distribution_depends_on_the_prompt_alone():
    model = _model(PROMPTS)
    alone = ask_encoder(model, PROMPTS[:1])
    crowd = ask_encoder(model, [*PROMPTS[1:], PROMPTS[0], *PROMPTS * 30])
    assert (crowd.probs[2] == alone.probs[0]).all() and crowd.information[2] == alone.information[0]


def test_dropout_passes_differ_and_one_pass_has_no_information():
    model = _model(PROMPTS)
    with torch.no_grad():
        logits = model(model.encode(PROMPTS))
    assert logits.shape == (4, 3, 7)
    assert not torch.allclose(logits[0], logits[1])
    assert ask_encoder(model, PROMPTS).information.min() > 0
    draw_masks(model, 0, 0)
    assert (ask_encoder(model, PROMPTS).information == 0).all()


def test_flat_and_spread_dropout_drop_the_same_units():
    x = torch.ones(3, 5, 8)
    spread, flat = Dropout(0.5), Dropout(0.5, flat=True)
    spread.draw(2, 7)
    flat.draw(2, 7)
    assert torch.equal(spread(x.unsqueeze(0)), flat(x.repeat(2, 1, 1)).unflatten(0, (2, 3)))


def test_ties_raise_entropy_but_not_mutual_information():
    tie = np.zeros((4, 1, 7))
    tie[:, 0, :2] = 0.5
    opinion = opinion_of(tie)
    assert opinion.entropy[0] == pytest.approx(math.log(2) / math.log(7), abs=1e-3)
    assert opinion.information[0] == pytest.approx(0, abs=1e-3)
    torn = np.zeros((4, 1, 7))
    torn[:2, 0, 0] = torn[2:, 0, 1] = 1.0
    assert opinion_of(torn).information[0] == pytest.approx(math.log(2) / math.log(7), abs=1e-3)


def test_each_distinct_prompt_is_encoded_once(episodes):
    task = get_task(TASK)
    describer = FullState(task, episodes.tables, len(episodes))
    keys = describer.look(episodes.rows, episodes.observations, episodes.starts)
    texts = {describer.words(n) for n in range(len(keys))}
    opinions = CachedOpinions(_model(texts), 7)
    first, again = opinions.of(describer, keys), opinions.of(describer, keys)
    assert opinions.prompts == len(texts) < len(keys)
    assert opinions.states == 2 * len(keys)
    assert (first.probs == again.probs).all()
    straight = ask_encoder(_model(texts), [describer.words(n) for n in range(len(keys))])
    assert (first.probs == straight.probs).all()


def test_fitting_learns_to_name_one_of_the_optimal_actions():
    prompts = [f"key {n} ahead" for n in range(8)]
    optimal = np.zeros((8, 7), dtype=bool)
    optimal[np.arange(8), np.arange(8) % 4] = True
    optimal[:, 6] = np.arange(8) % 2 == 0
    model = SmallEncoder(Vocabulary.of(prompts), 7, EncoderSize(width=16, heads=2), rate=0.0)
    messages: list[str] = []
    accuracies = fit(
        model, prompts * 40, np.tile(optimal, (40, 1)), (prompts, optimal), FROM_SCRATCH, 0, messages.append
    )
    assert accuracies[0] < max(accuracies) == 1.0
    assert len(messages) == len(accuracies) and messages[0].startswith("epoch 1 of at most 30: validation accuracy ")


# ---- calibration


def test_calibration_figures_equal_the_textbook_s():
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.5, 0.5]], dtype=np.float32)
    optimal = np.array([[1, 0], [0, 1], [1, 0], [1, 0], [1, 1]], dtype=bool)
    doubt = np.array([0.1, 0.9, 0.2, 0.3, 0.5], dtype=np.float32)
    found = calibrate(Opinion(probs, doubt, doubt), optimal)
    assert (found.states, found.unique_states) == (5, 4)
    assert found.accuracy == pytest.approx(4 / 5) and found.unique_accuracy == pytest.approx(3 / 4)
    assert found.brier == pytest.approx((0.02 + 1.62 + 0.32 + 0.32) / 4)
    assert found.ece == pytest.approx(0.5 * abs(0.5 - 0.9) + 0.5 * abs(1.0 - 0.6))
    assert found.auroc_entropy == 1.0
    assert auroc(np.array([1.0, 1.0]), np.array([True, False])) == 0.5
    assert auroc(np.array([1.0]), np.array([True])) is None


def test_a_reliability_plot_is_written_as_a_picture(tmp_path):
    probs = np.full((20, 7), 0.1, np.float32)
    probs[:, 0] = 0.4
    optimal = np.zeros((20, 7), dtype=bool)
    optimal[:, 0] = True
    found = calibrate(Opinion(probs, np.zeros(20, np.float32), np.zeros(20, np.float32)), optimal)
    save_reliability_plot(found, tmp_path / "plot.png", "a title")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_an_unavailable_language_model_is_a_cause_and_a_remedy(monkeypatch):
    import sys

    from rewardsmith.methods.teacher.pretrained import PretrainedEncoder

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r"rewardsmith\[bert\]") as caught:
        PretrainedEncoder.load("bert-base-uncased", 7, 0.1)
    assert len(str(caught.value).splitlines()) == 2


def test_a_model_that_a_package_ships_is_found_without_importing_it(tmp_path, monkeypatch):
    from rewardsmith.methods.teacher.pretrained import shipped_model

    package = tmp_path / "gt_some_model"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert shipped_model("gt-some-model") is None
    (package / "model" / "config.json").write_text("{}")
    assert shipped_model("gt-some-model") == str(package / "model")
    assert shipped_model("json") is None
    assert shipped_model("bert-base-uncased") is None
    assert shipped_model("/some/folder") is None
    assert shipped_model("org/model.name") is None
