"""What a person may do to a job under way: answer prompts, comment, veto a candidate, add a program of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath

from rewardsmith.agents.manual import files_of
from rewardsmith.engine.context import Context
from rewardsmith.engine.models.open import manual_folder
from rewardsmith.engine.search.snapshot import Snapshot, read_snapshot
from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.reading import UnreadableAnswer
from rewardsmith.programs.reward import source_hash
from rewardsmith.storage import procedures, queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.records import Candidate


@dataclass(frozen=True)
class Question:
    """A prompt that waits for a person. id: of the work item; the texts are paths."""

    id: int
    job: str
    about: str
    prompt_file: str
    answer_file: str


def pending(context: Context) -> list[Question]:
    """Every prompt that a person is asked to answer, the oldest first."""
    with read(context.database) as connection:
        items = queue.waiting(connection)
    return [
        Question(i.id, i.key.job_id, f"{i.key.kind} {i.key.candidate or i.key.sample}", *map(str, files))
        for i in items
        if (files := _files(context, i)) is not None
    ]


def _files(context: Context, item: queue.Item) -> tuple[Path, Path] | None:
    """The files of an item's prompt and answer in this machine's own folder, or None where it asks nobody.

    Of what the row says only a name of the form that we give is taken: whoever wrote it chooses no path.
    """
    name = PurePath(str(item.payload.get("question", ""))).name
    return files_of(manual_folder(context), name)


def answer(context: Context, item_id: int, text: str) -> str:
    """Give a person's answer to a waiting prompt, and queue its work item; returns the job. Raises UsageError."""
    question = next((q for q in pending(context) if q.id == item_id), None)
    if question is None:
        raise UsageError(f"No prompt {item_id} waits for an answer.", "`rewardsmith calls pending` lists them.")
    if not text.strip():
        raise UsageError("The answer is empty.", f"Read {question.prompt_file} and write what it asks for.")
    if not Path(question.prompt_file).is_file():
        raise UsageError(
            f"The prompt {question.prompt_file} is not here: another folder or machine asks it.",
            "Answer where the job runs, with its REWARDSMITH_HOME.",
        )
    Path(question.answer_file).write_text(text, encoding="utf-8")
    with context.database.begin() as connection:
        queue.wake(connection, item_id)
    return question.job


def comment(context: Context, job_id: str, text: str) -> int:
    """Say something that the prompts of the next round, and of later ones, carry; returns that round's number."""
    if not text.strip():
        raise UsageError("The comment is empty.", 'Write it in quotes: `rewardsmith comment JOB "text"`.')
    words = " ".join(text.split())
    with context.database.begin() as connection:
        if procedures.steer(connection, records.get_job(connection, job_id)):
            return procedures.comment(connection, job_id, words)
        number = _next_round(read_snapshot(connection, job_id))
        records.add_comment(connection, job_id, number, words)
    return number


def veto(context: Context, candidate_id: str) -> None:
    """Take a candidate out of the search: no more training, never best, its program not tried again."""
    with context.database.begin() as connection:
        candidate = records.get_candidate(connection, candidate_id)
        if candidate.kind == "baseline":
            raise UsageError(f"{candidate_id} is the baseline.", "Veto a designed candidate.")
        if procedures.steer(connection, records.get_job(connection, candidate.job_id)):
            left = [c for c in read_snapshot(connection, candidate.job_id).ranking() if c.id != candidate_id]
            procedures.veto(connection, candidate_id, left[0].id if left else None)
            return
        queue.cancel_open(connection, candidate.job_id, candidate_id)
        records.stop_trials(connection, candidate.job_id, candidate_id)
        records.update_candidate(connection, candidate_id, state="vetoed", cause_of_death="vetoed by the user")
        best = read_snapshot(connection, candidate.job_id).ranking()
        job = records.get_job(connection, candidate.job_id)
        if job.best_candidate == candidate_id:
            records.update_job(connection, job.id, best_candidate=best[0].id if best else None)


def add_program(context: Context, parent: Candidate, text: str) -> tuple[str, int]:
    """A person's program joins the job's next round; returns its name and the round. Raises UsageError."""
    with context.database.begin() as connection:
        snapshot = read_snapshot(connection, parent.job_id)
        recipe = recipe_of(snapshot.spec)
        if recipe.contract is None:
            raise UsageError(
                f"The method {snapshot.spec.method} takes no program.", "Add one to a job of another method."
            )
        try:
            source = recipe.contract.read(text).source
        except UnreadableAnswer as error:
            raise UsageError(
                f"The program cannot be read: {error.reason}", f"See {parent.id} for one that can."
            ) from error
        if source_hash(source) == parent.source_hash:
            raise UsageError(f"The program is the same as {parent.id}.", "Change it, or leave it as it is.")
        number = _next_round(snapshot)
        if procedures.steer(connection, snapshot.job):
            program = procedures.program_of(recipe.reward(source).as_dict(), source_hash(source))
            return procedures.fork(connection, parent.id, program), number
        mine = [c for c in snapshot.candidates if c.iteration == number]
        name = f"{parent.job_id}-{number}user{sum(c.kind == 'forked' for c in mine) + 1}"
        records.put_candidate(
            connection,
            id=name,
            job_id=parent.job_id,
            iteration=number,
            kind="forked",
            move="fork",
            sample=max([snapshot.spec.samples - 1, *(c.sample for c in mine)]) + 1,
            parents=[parent.id] if parent.kind != "baseline" else [],
            source=source,
            source_hash=source_hash(source),
            reward=recipe.reward(source).stored,
            state="designed",
            oracle_informed=parent.oracle_informed,
        )
    return name, number


def _next_round(snapshot: Snapshot) -> int:
    """The first round that has not begun: prompts of a round are the same whenever it is run again."""
    return snapshot.iterations[-1].number + 1 if snapshot.iterations else 1
