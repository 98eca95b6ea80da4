"""`synth`: a designer, critic and analyzer without a language model; deterministic and offline.

It reads only the machine-readable part of the prompt, as any model could, and composes programs from it:

- milestones from the planner's order of subgoals if the prompt contains one, otherwise from the kinds of objects (which
  kind opens which) and from the goal;
- guidance from distances;
- exploration from cells not yet visited.

It contains no knowledge of a task: a test renames ids, kinds and colours. Its results are no evidence for a language
model.
"""

from __future__ import annotations

import json
import time
from typing import Any

from rewardsmith.agents.models import Answer, ModelFailed, Request, Usage
from rewardsmith.agents.synth_factors import compose_factors
from rewardsmith.agents.synth_programs import compose_program
from rewardsmith.agents.synth_specified import compose_specification
from rewardsmith.agents.synth_subgoals import compose_beacons, compose_subgoals


class SynthModel:
    """Answers the prompts of designer, critic and analyzer by rules."""

    name = "synth"
    is_language_model = False

    def complete(self, request: Request) -> Answer:
        """Return the answer to a prompt with a machine-readable part. Raises ModelFailed if it has none."""
        began = time.monotonic()
        machine = _machine_part(request.prompt)
        answer = {"designer": _design, "critic": _review, "analyzer": _analyze}[request.role](machine)
        usage = Usage(prompt_tokens=0, completion_tokens=0)
        return Answer("completed", answer, self.name, usage, 0.0, time.monotonic() - began, 1)


def _machine_part(prompt: str) -> dict[str, Any]:
    start = prompt.rfind("```json\n")
    end = prompt.find("\n```", start)
    try:
        return json.loads(prompt[start + len("```json\n") : end])
    except (json.JSONDecodeError, IndexError) as error:
        raise ModelFailed(
            "synth found no machine-readable facts in the prompt.",
            "Set --model to a language model; synth can answer only rewardsmith's own prompts.",
            "request",
        ) from error


_COMPOSERS = {"subgoals": compose_subgoals, "beacons": compose_beacons, "factors": compose_factors}
"""By a function that the contract asks for; other contracts ask for rewards."""


def _design(machine: dict[str, Any]) -> str:
    if machine.get("form") == "json":
        text, thoughts = compose_specification(machine)
        return f"{thoughts}\n\n```json\n{text}\n```\n"
    functions = machine["functions"]
    compose = next((made for name, made in _COMPOSERS.items() if name in functions), compose_program)
    program = compose(machine)
    return f"{program.thoughts}\n\n```python\n{program.source}```\n"


def _review(machine: dict[str, Any]) -> str:
    """Accept the program unless the statistics of its components show that it carries no learning signal."""
    components = machine["components"]
    issues = _paid_too_often(machine)
    # Without a success the reward for success was never observed: random play seldom solves a hard task.
    unseen = machine["played"].get("successes") == 0 and "solved" in machine["source"]
    if unseen:
        components = {}
    if components and all(c["min"] == c["max"] for c in components.values()):
        issues.append(
            {
                "problem": "every component has the same value on all played transitions, solutions included",
                "remedy": "test fields that change, such as the event or the carried object",
            }
        )
    if components and "score" not in machine and not any(c["max"] > 0 for c in components.values()):
        issues.append({"problem": "no component is ever positive", "remedy": "reward the milestones and success"})
    return json.dumps({"verdict": "revise" if issues else "accept", "issues": issues})


def _paid_too_often(machine: dict[str, Any]) -> list[dict[str, str]]:
    """Milestones rewarded on more than half of the played steps, as problems; none if success is a state that lasts."""
    if machine["success_requires_lasting"] or machine["goal_conditioned"] or "score" in machine:
        return []
    return [
        {
            "problem": f"{name} is rewarded on {c['fires']:.0%} of the played steps, "
            "so a policy that never finishes earns the most",
            "remedy": "reward a milestone once, on the step that reaches it, and success on `state.solved`",
        }
        for name, c in machine["components"].items()
        if _is_milestone(name, c) and c["fires"] > 0.5 and c["mean"] > 0
    ]


def _is_milestone(name: str, component: dict[str, float]) -> bool:
    """Whether a component is a milestone: `sparse`, or any component except `dense` that is never negative."""
    function = name.split(".")[0]
    return function == "sparse" or (function != "dense" and component["min"] >= 0)


_ADVICE = {
    "interface misuse": "replace the term that never fires by one that reads the event or the carried object",
    "never fires": "drop the term that never fires and reward an earlier milestone",
    "shaping dominates": "reward progress only once: a new best, not every step",
    "entropy dominates": "raise the rewards of milestones and success, so that they outweigh the entropy bonus",
    "saturated": "lower the guidance: over an episode, at most the reward for success",
    "stalled": "add guidance from the last milestone that episodes reach to the next: the distance to what it needs",
    "weak shaping": "add guidance before the first milestone: the distance to the next needed object, new cells",
    "oscillation": "reward each milestone once per episode",
    "exploited": "reward only milestones that a solution passes, each once",
    "unstable": "lower the guidance relative to success",
    "constant": "drop the constant term",
}


def _analyze(machine: dict[str, Any]) -> str:
    labels = machine["labels"]
    advice = [_ADVICE[label] for label in labels if label in _ADVICE]
    aim = "the score improves" if "score" in machine else "success rises"
    return json.dumps(
        {
            "causes": [f"{label}: {evidence}" for label, evidence in labels.items()],
            "suggestion": advice[0] if advice else "keep the program as it is",
            "prediction": f"{aim} earlier in training" if advice else "no change",
        }
    )
