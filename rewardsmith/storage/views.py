"""The views, which docs/database.md describes: made anew by every migration, so none has to be migrated.

A column that was renamed keeps its old name in a view for one version: `v_candidates` still has `channels`, which was
all of a reward with its source.
"""

from __future__ import annotations

_SAME = {
    "v_leaderboard": """
        SELECT c.job_id, c.id AS candidate, c.iteration, c.kind, c.state, c.score,
               t.purpose, COUNT(t.id) AS seeds, AVG(t.success) AS success,
               AVG(t.greedy_success) AS greedy_success, MAX(t.steps) AS steps, c.cause_of_death
        FROM candidates c LEFT JOIN trials t ON t.candidate_id = c.id
        GROUP BY c.job_id, c.id, c.iteration, c.kind, c.state, c.score, t.purpose, c.cause_of_death
    """,
    "v_lineage": """
        SELECT job_id, id AS candidate, iteration, move, parents, state, score, cause_of_death
        FROM candidates
    """,
    "v_costs": """
        SELECT j.id AS job_id,
               (SELECT SUM(charged_calls + reserved_calls) FROM llm_calls l WHERE l.job_id = j.id) AS calls,
               (SELECT SUM(prompt_tokens) FROM llm_calls l WHERE l.job_id = j.id) AS prompt_tokens,
               (SELECT SUM(completion_tokens) FROM llm_calls l WHERE l.job_id = j.id) AS completion_tokens,
               (SELECT SUM(charged_tokens + reserved_tokens) FROM llm_calls l WHERE l.job_id = j.id)
                 AS charged_tokens,
               (SELECT SUM(COALESCE(charged_usd, 0) + COALESCE(reserved_usd, 0))
                  FROM llm_calls l WHERE l.job_id = j.id) AS dollars,
               (SELECT SUM(CASE WHEN l.charged_usd IS NULL AND l.charged_calls > 0 THEN 1 ELSE 0 END)
                  FROM llm_calls l WHERE l.job_id = j.id) AS unpriced_calls,
               (SELECT SUM(steps) FROM trials t WHERE t.job_id = j.id) AS env_steps,
               (SELECT SUM(seconds) FROM trials t WHERE t.job_id = j.id) AS trial_seconds,
               j.active_seconds
        FROM jobs j
    """,
}
"""Views whose text is the same on both databases."""

# A reward with its source; what never was a program has neither.
_WITH_SOURCE = {
    "sqlite": "CASE WHEN json_extract(c.reward, '$.functions') IS NULL THEN c.reward "
    "ELSE json_set(c.reward, '$.source', c.source) END",
    "postgresql": "CASE WHEN c.reward -> 'functions' IS NULL THEN c.reward "
    "ELSE CAST(jsonb_build_object('source', c.source) || CAST(c.reward AS jsonb) AS json) END",
}

NAMES = (*_SAME, "v_candidates")


def view_queries(dialect: str) -> dict[str, str]:
    """The SELECT of each view on "sqlite" or "postgresql", by name."""
    return {**_SAME, "v_candidates": f"SELECT c.*, {_WITH_SOURCE[dialect]} AS channels FROM candidates c"}
