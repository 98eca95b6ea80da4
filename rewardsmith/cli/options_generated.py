"""Options that are settings of a job, by the setting's name; budget.calls is the field `calls` of `budget`.

Made by scripts/make_options.py from the fields of rewardsmith/spec/job.py: edit these, then make the file anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

SETTINGS: dict[str, Any] = {
    "task": Annotated[
        str | None, typer.Option("--task", help="Task id, or the path of a YAML file that describes a task.")
    ],
    "method": Annotated[
        str | None, typer.Option("--method", help="Method that makes rewards; `rewardsmith methods` lists them.")
    ],
    "combine": Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="Methods whose reward channels are added to those of `method` (such as count,rnd)."
        ),
    ],
    "options": Annotated[
        list[str] | None,
        typer.Option("--option", help="Options of methods, by method ([METHOD.]NAME=VALUE, may be repeated)."),
    ],
    "weights": Annotated[
        list[str] | None,
        typer.Option("--weight", help="Weights of reward channels, by channel (CHANNEL=NUMBER, may be repeated)."),
    ],
    "transforms": Annotated[
        list[str] | None,
        typer.Option(
            "--transform", help="Transforms of reward channels, by channel (CHANNEL=delta or outcome, may be repeated)."
        ),
    ],
    "model": Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Model id of litellm, such as openai/gpt-4o; synth composes programs by rules and calls no model.",
            envvar="REWARDSMITH_MODEL",
        ),
    ],
    "designer_model": Annotated[
        str | None, typer.Option("--designer-model", help="Model that designs programs; by default that of `model`.")
    ],
    "critic_model": Annotated[
        str | None, typer.Option("--critic-model", help="Model that reviews programs; by default that of `model`.")
    ],
    "analyzer_model": Annotated[
        str | None,
        typer.Option("--analyzer-model", help="Model that analyses failed episodes; by default that of `model`."),
    ],
    "fallback_models": Annotated[
        list[str] | None,
        typer.Option(
            "--fallback-model", help="Models to call, in this order, when the one before fails (may be repeated)."
        ),
    ],
    "api_base": Annotated[str | None, typer.Option("--api-base", help="URL of an OpenAI-compatible server.")],
    "stream": Annotated[
        bool | None, typer.Option("--stream/--no-stream", help="Stream the answers of language models.")
    ],
    "prompt_tokens": Annotated[
        int | None,
        typer.Option("--prompt-tokens", help="Approximate limit on the length of a prompt's evidence, in tokens."),
    ],
    "answer_tokens": Annotated[
        int | None,
        typer.Option("--answer-tokens", help="Limit on the length of an answer, reasoning included, in tokens."),
    ],
    "record": Annotated[Path | None, typer.Option("--record", help="File (cassette) to record every call in.")],
    "prompts_dir": Annotated[
        Path | None,
        typer.Option(
            "--prompts-dir", help="Folder of prompt templates that replace the shipped ones of the same name."
        ),
    ],
    "replay": Annotated[
        Path | None,
        typer.Option("--replay", help="Cassette of a recorded job, whose answers replace those of all models."),
    ],
    "iterations": Annotated[int | None, typer.Option("--iterations", help="Rounds of the search.")],
    "samples": Annotated[int | None, typer.Option("--samples", help="Candidates per round.")],
    "seeds": Annotated[int | None, typer.Option("--seeds", help="Training seeds per candidate in the search.")],
    "steps": Annotated[int | None, typer.Option("--steps", help="Environment steps of a full trial.")],
    "target": Annotated[
        float | None, typer.Option("--target", help="Success rate, or normalised score, at which the search stops.")
    ],
    "confirm": Annotated[
        int | None, typer.Option("--confirm", help="Fresh seeds of the final evaluation; 0 skips it.")
    ],
    "claim_layouts": Annotated[
        int | None,
        typer.Option(
            "--claim-layouts",
            help="Layouts that the candidate is checked on before its claim; 30 on the compiled engine, else 0.",
        ),
    ],
    "retrain": Annotated[
        bool | None,
        typer.Option(
            "--retrain/--no-retrain",
            help='Retrain a candidate once, with other settings, if diagnosed as "entropy dominates" or "saturated".',
        ),
    ],
    "train_anyway": Annotated[
        bool | None,
        typer.Option("--train-anyway", help="Train candidates that the battery or the certificate rejects."),
    ],
    "episode_cap": Annotated[
        str | None,
        typer.Option(
            "--episode-cap",
            help="Per-episode cap on a program channel's sum; auto: its largest sum over known solutions.",
        ),
    ],
    "planner": Annotated[
        bool | None,
        typer.Option(
            "--planner/--no-planner",
            help="Show the planner's order of subgoals to the designer; auto: to synth, and to no other author.",
        ),
    ],
    "seed": Annotated[int | None, typer.Option("--seed", help="Seed of the job, which determines all other seeds.")],
    "training.align": Annotated[
        str | None,
        typer.Option(
            "--align", help="Learn factors of channels from the environment's reward: none, gradient, implicit."
        ),
    ],
    "training.device": Annotated[
        str | None,
        typer.Option(
            "--device", help="Where policies are trained: cpu, cuda, or auto (measures both, takes the faster)."
        ),
    ],
    "budget.dollars": Annotated[
        float | None, typer.Option("--max-dollars", help="Limit on the cost of language models, in dollars.")
    ],
    "budget.tokens": Annotated[
        int | None, typer.Option("--max-tokens", help="Limit on tokens, sent and received together.")
    ],
    "budget.calls": Annotated[int | None, typer.Option("--max-calls", help="Limit on language-model calls.")],
    "budget.env_steps": Annotated[
        int | None, typer.Option("--max-steps", help="Limit on environment steps, search and claim together.")
    ],
    "budget.seconds": Annotated[
        float | None, typer.Option("--max-seconds", help="Limit on the job's working time, in seconds of wall clock.")
    ],
}
