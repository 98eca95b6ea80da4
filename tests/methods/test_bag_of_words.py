"""Captions as bag-of-words features: equal to torch's EmbeddingBag, each caption hashed once."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.methods.labelling.bag_of_words import BUCKETS, BagOfWords, buckets_of

TEXTS = st.lists(st.text("ab cd\n.é", max_size=400), min_size=1, max_size=8)


@given(TEXTS)
def test_weighted_embeddings_equal_an_embedding_bag_s_mean(texts: list[str]) -> None:
    bags = BagOfWords()
    used, shares = bags.shares(bags.rows(texts))
    table = torch.nn.EmbeddingBag(BUCKETS, 4, mode="mean")
    lists = [torch.tensor(buckets_of(text)) for text in texts]
    offsets = torch.tensor([0, *(len(one) for one in lists[:-1])]).cumsum(0)
    wanted = table(torch.cat(lists), offsets)
    assert torch.allclose(shares @ table.weight[used], wanted, atol=1e-5)


def test_rows_keep_their_numbers_when_captions_are_added() -> None:
    bags = BagOfWords()
    first = bags.rows(["the key", "the door", "the key"])
    before = bags.shares(first)
    bags.rows([f"number {n} " + "word " * (n % 200) for n in range(600)])
    assert first.tolist() == [0, 1, 0]
    assert np.array_equal(bags.rows(["the door", "the key"]), [1, 0])
    for old, new in zip(before, bags.shares(first), strict=True):
        assert torch.equal(old, new)
