"""Options that are settings of a job, by the setting's name; budget.calls is the field `calls` of `budget`.

Made by scripts/make_options.py from the fields of rewardsmith/spec.py: edit these, then make the file anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

SETTINGS: dict[str, Any] = {
    "task": Annotated[str | None, typer.Option("--task", help="Task id, or a YAML file that describes one.")],
    "method": Annotated[str | None, typer.Option("--method", help="How rewards are made; see `rewardsmith methods`.")],
    "combine": Annotated[
        list[str] | None,
        typer.Option("--with", help="Methods whose channels are added to the method's own (such as count,rnd)."),
    ],
    "options": Annotated[
        list[str] | None,
        typer.Option("--option", help="A method's own settings, by method ([METHOD.]NAME=VALUE, may be repeated)."),
    ],
    "weights": Annotated[
        list[str] | None,
        typer.Option("--weight", help="Weights of channels, by channel (CHANNEL=NUMBER, may be repeated)."),
    ],
    "model": Annotated[
        str | None,
        typer.Option(
            "--model", help="A litellm id such as gpt-4o, or synth: no language model.", envvar="REWARDSMITH_MODEL"
        ),
    ],
    "designer_model": Annotated[
        str | None, typer.Option("--designer-model", help="Model of the designer, if another.")
    ],
    "critic_model": Annotated[str | None, typer.Option("--critic-model", help="Model of the critic, if another.")],
    "analyzer_model": Annotated[
        str | None, typer.Option("--analyzer-model", help="Model of the analyzer, if another.")
    ],
    "fallback_models": Annotated[
        list[str] | None,
        typer.Option(
            "--fallback-model", help="Models asked in order where the one before cannot answer (may be repeated)."
        ),
    ],
    "api_base": Annotated[str | None, typer.Option("--api-base", help="Address of an OpenAI-compatible server.")],
    "stream": Annotated[bool | None, typer.Option("--stream/--no-stream", help="Receive answers piece by piece.")],
    "prompt_tokens": Annotated[
        int | None, typer.Option("--prompt-tokens", help="Evidence in prompts is cut to about this length.")
    ],
    "answer_tokens": Annotated[int | None, typer.Option("--answer-tokens", help="Longest answer, thinking included.")],
    "record": Annotated[
        Path | None, typer.Option("--record", help="Cassette: the file that every call is written to.")
    ],
    "replay": Annotated[
        Path | None, typer.Option("--replay", help="Cassette of a recorded job: its answers replace every model's.")
    ],
    "iterations": Annotated[int | None, typer.Option("--iterations", help="Rounds of the search.")],
    "samples": Annotated[int | None, typer.Option("--samples", help="Candidates per round.")],
    "seeds": Annotated[int | None, typer.Option("--seeds", help="Training seeds per candidate in the search.")],
    "steps": Annotated[int | None, typer.Option("--steps", help="Environment steps of a full trial.")],
    "target": Annotated[float | None, typer.Option("--target", help="Stop searching at this success rate.")],
    "confirm": Annotated[int | None, typer.Option("--confirm", help="Fresh seeds of the claim; 0 skips it.")],
    "retrain": Annotated[
        bool | None,
        typer.Option(
            "--retrain/--no-retrain", help="Train a drowned or saturated candidate once more with other settings."
        ),
    ],
    "train_anyway": Annotated[
        bool | None, typer.Option("--train-anyway", help="Train what battery or certificate reject, too.")
    ],
    "episode_budget": Annotated[
        str | None,
        typer.Option(
            "--episode-budget", help="Bound on a program channel's sum over an episode; auto: what solutions are paid."
        ),
    ],
    "planner": Annotated[
        bool | None, typer.Option("--planner/--no-planner", help="Show the planner's subgoal order to the designer.")
    ],
    "seed": Annotated[int | None, typer.Option("--seed", help="Everything random follows from this.")],
    "training.device": Annotated[
        str | None,
        typer.Option("--device", help="Where policies are trained: cpu, cuda, or auto, the faster by measurement."),
    ],
    "budget.dollars": Annotated[
        float | None, typer.Option("--max-dollars", help="Limit of dollars for language models.")
    ],
    "budget.tokens": Annotated[int | None, typer.Option("--max-tokens", help="Limit of tokens, sent and received.")],
    "budget.calls": Annotated[int | None, typer.Option("--max-calls", help="Limit of language-model calls.")],
    "budget.env_steps": Annotated[
        int | None, typer.Option("--max-steps", help="Limit of environment steps, search and claim together.")
    ],
    "budget.seconds": Annotated[
        float | None, typer.Option("--max-seconds", help="Limit of seconds of wall clock since the job began.")
    ],
}
