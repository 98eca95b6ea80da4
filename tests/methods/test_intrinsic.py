"""Equations of the moving normalisation, the product of bonuses, DEIR, ETD and RAPID, on examples computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_baselines import learner, played
from tiny import TASK

from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.methods.deir import ObservationQueue
from rewardsmith.methods.intrinsic.contrastive import later_steps, quasimetric, symmetric_info_nce
from rewardsmith.methods.intrinsic.count_keys import EpisodeVisits
from rewardsmith.methods.intrinsic.discriminator import Discriminator
from rewardsmith.methods.intrinsic.episodic import EpisodicMemory
from rewardsmith.methods.intrinsic.running import MovingStandard
from rewardsmith.methods.rapid import BestEpisodes, Episode, episode_score
from rewardsmith.tasks import get_task
from tests.space_tasks import TASKS


def test_the_moving_mean_and_variance_follow_with_momentum():
    standard = MovingStandard(0.9)
    assert standard(np.array([[1.0], [3.0]])).ravel().tolist() == [-1.0, 1.0]  # mean 2, variance 1
    paid = standard(np.array([[12.0], [12.0]]))
    assert standard.mean == pytest.approx(3.0)  # 0.9 * 2 + 0.1 * 12
    assert paid.ravel() == pytest.approx([9.0 / 0.9**0.5] * 2)  # variance 0.9 * 1 + 0.1 * 0
    again = MovingStandard()
    again.load(standard.state())
    assert np.array_equal(again(np.array([[5.0]])), standard(np.array([[5.0]])))


def test_a_standardised_bonus_has_mean_0_and_deviation_1(tmp_path):
    seen = played(get_task(TASK))
    plain = learner("count", tmp_path).rewards(seen)["count"]
    paid = learner("count", tmp_path, normalize="moving").rewards(seen)["count"]
    assert (paid.mean(), paid.std()) == (pytest.approx(0.0, abs=1e-9), pytest.approx(1.0))
    assert np.allclose(paid, (plain - plain.mean()) / plain.std())


def test_visits_of_an_episode_count_its_first_observation():
    visits = EpisodeVisits(1)
    keys, before = np.array([[7], [8], [7], [5], [9]]), np.array([[5], [7], [8], [7], [9]])
    starts = np.array([[True], [False], [False], [False], [True]])
    assert visits(keys, before, starts).ravel().tolist() == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("episodic", ["e3b", "first", "count"])
@pytest.mark.parametrize("lifelong", ["rnd", "noveld", "count"])
def test_the_product_multiplies_what_both_bonuses_pay(tmp_path, episodic, lifelong):
    seen = played(get_task(TASK))
    product = learner("product", tmp_path, episodic=episodic, lifelong=lifelong).rewards(seen)["product"]
    over_trial = learner(lifelong, tmp_path).rewards(seen)[lifelong]
    if episodic == "e3b":
        expected = over_trial * learner("e3b", tmp_path).rewards(seen)["e3b"]
        assert np.array_equal(product, expected)
        return
    again = (seen.following == seen.observations).all(-1)
    assert (product >= 0).all() and (product > 0).any() and (product <= over_trial).all()
    if episodic == "first":
        assert (product[again] == 0).all()


def test_distances_are_measured_from_all_that_the_episode_visited():
    memory, distances = EpisodicMemory(1), torch.cdist
    place = torch.tensor([0.0, 1.0, 3.0, 1.5, 10.0, 10.0]).view(6, 1, 1)  # the third step begins an episode at 1.5
    before, after = torch.stack([place[0], place[1], place[3]]), torch.stack([place[1], place[2], place[4]])
    starts = torch.tensor([[True], [False], [True]])
    assert memory.smallest(before, after, starts, distances).ravel().tolist() == [1.0, 2.0, 8.5]
    # The episode goes on in the next rollout: 10 is visited, and 1.5, but not 3.
    before, after = torch.stack([place[4], place[5]]), torch.stack([place[5], place[2]])
    starts = torch.tensor([[False], [False]])
    assert memory.smallest(before, after, starts, distances).ravel().tolist() == [0.0, 1.5]


def test_deir_divides_squared_distances_by_those_of_trajectories():
    model = Discriminator(5, 3, seed=0, learning_rate=1e-3)
    visited, new = torch.zeros(2, 2 * model.width), torch.zeros(1, 2 * model.width)
    new[0, 0] = 3.0  # observation at 3, from 0 and from 1
    visited[1, 0] = 1.0
    new[0, model.width] = 2.0  # trajectory at 2, from 0 and from 1.5
    visited[1, model.width] = 1.5
    assert model.distances(visited, new).ravel().tolist() == pytest.approx([9 / 2, 4 / 0.5], rel=1e-4)


def test_the_discriminator_learns_which_observation_followed(tmp_path):
    made = learner("deir", tmp_path, epochs=30, learning_rate=3e-3)
    for seed in range(3):
        seen = played(get_task(TASK), seed=seed)
        made.rewards(seen)
        made.learn(seen, None)  # type: ignore[arg-type]
    told = made.telemetry()
    assert told["discriminator_accuracy"] > 0.8 and 0 < told["queue"] < 3 * 256


def test_the_queue_keeps_the_newest_observations():
    queue = ObservationQueue(3, 1, seed=0)
    for first in (0, 2):
        queue.add(np.array([[first], [first + 1]], dtype=np.float32))
    assert queue.state()["rows"].ravel().tolist() == [1.0, 2.0, 3.0]
    again = ObservationQueue(3, 1, seed=5)
    again.load(queue.state())
    assert np.array_equal(again.draw(9), queue.draw(9))


def test_the_quasimetric_is_one_sided_in_its_first_half():
    x, y = torch.tensor([[1.0, 4.0, 0.0, 3.0]]), torch.tensor([[2.0, 1.0, 4.0, 0.0]])
    assert quasimetric(x, y).item() == pytest.approx(3 + 5)  # max(relu(-1), relu(3)) + |(-4, 3)|
    assert quasimetric(y, x).item() == pytest.approx(1 + 5)
    assert quasimetric(x, x).item() == pytest.approx(0.0, abs=1e-5)
    points = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    d = quasimetric(points, points)
    assert (d[:, None, :] <= d[:, :, None] + d[None, :, :] + 1e-5).all()  # the triangle inequality


def test_the_contrastive_loss_compares_rows_and_columns():
    energies = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    rows = (np.log(1 + np.exp(-2.0)) + np.log(1 + np.exp(1.0))) / 2
    columns = (np.log(1 + np.exp(-1.0)) + np.log(2.0)) / 2
    assert symmetric_info_nce(energies).item() == pytest.approx(rows + columns)


def test_positive_pairs_stay_within_their_episode():
    starts = np.zeros((50, 2), dtype=bool)
    starts[[0, 20], 0] = starts[0, 1] = True
    later, envs = later_steps(starts, 0.9, np.random.default_rng(0))
    step = np.arange(50)[:, None]
    assert (later >= step).all() and (later[:20, 0] < 20).all() and later.max() == 49
    assert envs[:, 1].tolist() == [1] * 50
    apart = (later - step)[:10, 1]
    assert 0 < apart.mean() < 30
    near, _ = later_steps(starts, 0.0, np.random.default_rng(0))
    assert np.array_equal(near, np.broadcast_to(step, near.shape))


def test_etd_pays_the_smallest_distance_from_the_episode(tmp_path):
    seen = played(get_task(TASK), steps=8, envs=4)
    made = learner("etd", tmp_path)
    model = made._model  # type: ignore[attr-defined]
    visited, new = model.embedded(seen.observations), model.embedded(seen.following)
    paid = made.rewards(seen)["etd"]
    raw = np.empty((8, 4))
    for n in range(4):
        past = torch.cat([visited[:1, n], new[:, n]])
        for t in range(8):
            raw[t, n] = quasimetric(past[: t + 1], new[t : t + 1, n]).min()
    assert np.allclose(paid, (raw - raw.mean()) / raw.std(), atol=1e-4)


def test_rapid_scores_return_distinct_states_and_rarity():
    # A return of 0.5, 3 distinct states in 4 steps, visited 1, 4, 4 and 1 times in the trial.
    rarity = (1 + 0.5 + 0.5 + 1) / 4
    assert episode_score((1.0, 0.1, 0.001), 0.5, [1, 2, 2, 3], rarity) == pytest.approx(0.5 + 0.075 + 0.00075)


def test_the_best_episodes_are_kept_up_to_the_number_of_pairs():
    best = BestEpisodes(5)

    def episode(score: float, steps: int) -> Episode:
        return Episode(score, np.full((steps, 1), score, np.float32), np.zeros(steps, np.int64))

    assert best.worst == -np.inf
    for score, steps in ((1.0, 2), (3.0, 2), (2.0, 2)):
        best.add(episode(score, steps))
    assert best.pairs()[0].ravel().tolist() == [3.0, 3.0, 2.0, 2.0, 1.0]
    assert best.worst == 1.0
    best.add(episode(4.0, 9))
    assert best.pairs()[0].ravel().tolist() == [4.0] * 5


def test_deir_refuses_images_and_continuous_actions():
    for name in ("deir", "rapid"):
        with pytest.raises(UsageError, match="image"):
            get_method(name).check(TASKS["image"][0], get_method(name).Options(), True)
