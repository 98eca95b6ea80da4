"""The views that docs/database.md describes. Every migration drops and creates them, so none needs migrating.

A renamed column keeps its old name in the views for one version, beside the new one: `cause_of_death` in three views,
and `channels`, a reward with its source, in `v_candidates`.
"""

from __future__ import annotations

_SAME = {
    "v_leaderboard": """
        SELECT c.job_id, c.id AS candidate, c.iteration, c.kind, c.state, c.score,
               t.purpose, COUNT(t.id) AS seeds, AVG(t.success) AS success,
               AVG(t.greedy_success) AS greedy_success, MAX(t.steps) AS steps, c.rejection_reason,
               c.rejection_reason AS cause_of_death
        FROM candidates c LEFT JOIN trials t ON t.candidate_id = c.id
        GROUP BY c.job_id, c.id, c.iteration, c.kind, c.state, c.score, t.purpose, c.rejection_reason
    """,
    "v_lineage": """
        SELECT job_id, id AS candidate, iteration, move, parents, state, score, rejection_reason,
               rejection_reason AS cause_of_death
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
"""Views with the same text on both databases."""

# A reward with its source; a reward without functions has none.
_WITH_SOURCE = {
    "sqlite": "CASE WHEN json_extract(c.reward, '$.functions') IS NULL THEN c.reward "
    "ELSE json_set(c.reward, '$.source', c.source) END",
    "postgresql": "CASE WHEN c.reward -> 'functions' IS NULL THEN c.reward "
    "ELSE CAST(jsonb_build_object('source', c.source) || CAST(c.reward AS jsonb) AS json) END",
}

NAMES = (*_SAME, "v_candidates")


def view_queries(dialect: str) -> dict[str, str]:
    """Return the SELECT of each view by name, for the dialect "sqlite" or "postgresql"."""
    former = f"c.rejection_reason AS cause_of_death, {_WITH_SOURCE[dialect]} AS channels"
    return {**_SAME, "v_candidates": f"SELECT c.*, {former} FROM candidates c"}
