"""`rewardsmith methods NAME` prints the page of a method."""

from __future__ import annotations

import pytest

from rewardsmith.errors import UsageError
from rewardsmith.methods import all_methods
from rewardsmith.offline.method_pages import page_of


def test_every_method_has_a_page_and_an_unknown_one_is_refused():
    for name, method in all_methods().items():
        page = page_of(name)
        assert page.startswith("# ") and (name in page.lower() or method.page), name
    assert "Phi(s)" in page_of("goal") and page_of("machine") == page_of("goal")
    assert page_of("rnd") == page_of("e3b")
    with pytest.raises(UsageError, match="no method 'magic'"):
        page_of("magic")
