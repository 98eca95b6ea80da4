"""A person's influence on a running job: answers to prompts, comments, vetoes, and programs of their own."""

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
from rewardsmith.tasks import get_task


@dataclass(frozen=True)
class Question:
    """A prompt that waits for a person's answer.

    Attributes:
        id: Id of the work item.
        job: Id of the job.
        about: Kind of work item, and its candidate or sample.
        prompt_file: Path of the prompt.
        answer_file: Path that the answer is written to.
    """

    id: int
    job: str
    about: str
    prompt_file: str
    answer_file: str


def pending(context: Context) -> list[Question]:
    """Return all prompts that wait for a person's answer, the oldest first."""
    with read(context.database) as connection:
        items = queue.waiting(connection)
    return [
        Question(i.id, i.key.job_id, f"{i.key.kind} {i.key.candidate or i.key.sample}", *map(str, files))
        for i in items
        if (files := _files(context, i)) is not None
    ]


def _files(context: Context, item: queue.Item) -> tuple[Path, Path] | None:
    """Return the paths of an item's prompt and answer; None if no person is asked.

    The row contributes only a plain file name, never a path, because another user may have written it.
    """
    name = PurePath(str(item.payload.get("question", ""))).name
    return files_of(manual_folder(context), name)


def answer(context: Context, item_id: int, text: str) -> str:
    """Store a person's answer to a prompt and queue its work item again.

    Args:
        context: The process's context.
        item_id: Id of the work item, as in `pending`.
        text: The answer.

    Returns:
        The job's id.

    Raises:
        UsageError: No such prompt waits on this machine, or the answer is empty.
    """
    question = next((q for q in pending(context) if q.id == item_id), None)
    if question is None:
        raise UsageError(
            f"No prompt with the number {item_id} waits for an answer.",
            "`rewardsmith calls pending` lists the prompts.",
        )
    if not text.strip():
        raise UsageError("The answer is empty.", f"Answer the prompt in {question.prompt_file}.")
    if not Path(question.prompt_file).is_file():
        raise UsageError(
            f"The prompt {question.prompt_file} does not exist on this machine or in this REWARDSMITH_HOME.",
            "Answer on the machine that runs the job, with the same REWARDSMITH_HOME.",
        )
    Path(question.answer_file).write_text(text, encoding="utf-8")
    with context.database.begin() as connection:
        queue.wake(connection, item_id)
    return question.job


def comment(context: Context, job_id: str, text: str) -> int:
    """Add a person's comment to the prompts of the next round and later ones; return the number of that round."""
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
    """Remove a candidate from the search: it is not trained, cannot become the best, and is not designed again."""
    with context.database.begin() as connection:
        candidate = records.get_candidate(connection, candidate_id)
        if candidate.kind == "baseline":
            raise UsageError(
                f"{candidate_id} is the baseline, which cannot be vetoed.", "Pass the id of a designed candidate."
            )
        if procedures.steer(connection, records.get_job(connection, candidate.job_id)):
            left = [c for c in read_snapshot(connection, candidate.job_id).ranking() if c.id != candidate_id]
            procedures.veto(connection, candidate_id, left[0].id if left else None)
            return
        queue.cancel_open(connection, candidate.job_id, candidate_id)
        records.stop_trials(connection, candidate.job_id, candidate_id)
        records.update_candidate(connection, candidate_id, state="vetoed", rejection_reason="vetoed by the user")
        best = read_snapshot(connection, candidate.job_id).ranking()
        job = records.get_job(connection, candidate.job_id)
        if job.best_candidate == candidate_id:
            records.update_job(connection, job.id, best_candidate=best[0].id if best else None)


def add_program(context: Context, parent: Candidate, text: str) -> tuple[str, int]:
    """Add a person's program to the job's next round.

    Args:
        context: The process's context.
        parent: The candidate that the program was made from.
        text: Text of the program.

    Returns:
        The new candidate's id and the number of the round.

    Raises:
        UsageError: The method takes no program, or the program cannot be read or equals its parent.
    """
    with context.database.begin() as connection:
        snapshot = read_snapshot(connection, parent.job_id)
        recipe = recipe_of(snapshot.spec)
        if recipe.contract is None:
            raise UsageError(
                f"The method {snapshot.spec.method} takes no program.", "Add the program to a job of another method."
            )
        try:
            facts = get_task(snapshot.spec.task, snapshot.spec.description).interface().facts
            source = recipe.contract.read(text, facts).source
        except UnreadableAnswer as error:
            raise UsageError(
                f"The program cannot be read: {error.reason}",
                f"`rewardsmith show {parent.id}` shows a program in the right form.",
            ) from error
        if source_hash(source) == parent.source_hash:
            raise UsageError(f"The program is the same as {parent.id}.", "Change the program before you add it.")
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
    """Return the first round that has not begun. Rounds under way must keep their prompts to be repeatable."""
    return snapshot.iterations[-1].number + 1 if snapshot.iterations else 1
