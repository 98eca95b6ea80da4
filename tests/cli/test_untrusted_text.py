"""Text of programs, models and other users on every screen: without escapes, markup or forged lines."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import re
import shutil
import sqlite3
import unicodedata
from pathlib import Path

import pytest
from running import in_process

from rewardsmith.cli import live, screen
from rewardsmith.cli.main import main

HOSTILE = (
    "[/b] [link=http://a]x[/link] [bold]y :warning: \x1b[2J\x1b]8;;http://a\x07z\x9b31m\u202e\u2066\u200b\U000e0041"
    "\r\nFORGED\rFORGED\nFORGED\x85FORGED\u2028FORGED"
)
BRACKETS = ("[/b]", "[link=http://a]x[/link]", "[bold]y :warning:")
PROGRAM = f"def reward(prev, action, state, memory):\n    # {HOSTILE!s}\n    return 0.0\n".replace("FORGED", "#")
STYLES = re.compile(r"\x1b\[[0-9;]*m")  # rich's own, on a terminal

COLUMNS = {
    "candidates": {"thoughts": HOSTILE, "rejection_reason": HOSTILE, "source": PROGRAM, "move": HOSTILE},
    "checks": {"message": HOSTILE},
    "analyses": {"suggestion": HOSTILE, "prediction": HOSTILE, "labels": json.dumps({HOSTILE: HOSTILE})},
    "trials": {"failure": HOSTILE, "sandbox_level": HOSTILE},
    "llm_calls": {"model": HOSTILE, "note": HOSTILE, "prompt": HOSTILE, "answer": HOSTILE, "outcome": HOSTILE},
}  # fmt: skip


@pytest.fixture(scope="module")
def hostile_job(small_job, tmp_path_factory) -> Path:
    """A finished job in which every text is hostile."""
    folder = tmp_path_factory.mktemp("hostile") / "here"
    shutil.copytree(small_job.folder, folder)
    database = sqlite3.connect(folder / ".rewardsmith/rewardsmith.db")
    for table, values in COLUMNS.items():
        database.execute(f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in values)}", list(values.values()))
    (job, task, spec) = database.execute("SELECT id, task, spec FROM jobs").fetchone()
    changed = json.loads(spec) | {"model": HOSTILE, "options": {"free": {"x": HOSTILE}}}
    database.execute("UPDATE jobs SET owner = ?, note = ?, spec = ?", [HOSTILE, HOSTILE, json.dumps(changed)])
    for candidate, old_telemetry in database.execute("SELECT id, telemetry FROM trials").fetchall():
        telemetry = json.loads(old_telemetry) | {"methods": {HOSTILE: {HOSTILE: HOSTILE}}}
        database.execute("UPDATE trials SET telemetry = ? WHERE id = ?", [json.dumps(telemetry), candidate])
    event = "INSERT INTO events (at, kind, job_id, owner, text) VALUES ('2030-01-01 00:00:00', ?, ?, ?, ?)"
    database.execute(event, [HOSTILE, job, HOSTILE, HOSTILE])
    names = [row[1] for row in database.execute("PRAGMA table_info(workers)")]
    row = {"slots": 1, "started_at": "2030-01-01 00:00:00", "seen_at": "2030-01-01 00:00:00"}
    row["capabilities"] = json.dumps({"extras": [HOSTILE], "devices": [HOSTILE]})
    values = [row.get(name, HOSTILE) for name in names]
    database.execute(f"INSERT INTO workers VALUES ({', '.join('?' * len(names))})", values)
    database.commit()
    database.close()
    (folder / ".rewardsmith/artifacts" / job / "logs/item-0.log").write_bytes(HOSTILE.encode())
    assert task == "MiniGrid-DoorKey-5x5-v0"
    return folder


def control_characters(text: str) -> set[str]:
    """Characters of `text` that control a terminal."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


def candidates_of(folder: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(folder / ".rewardsmith/rewardsmith.db")) as database:
        return [row[0] for row in database.execute("SELECT id FROM candidates WHERE id NOT LIKE '%-sparse'")]


# CANDIDATE and OTHER stand for ids of the job.
COMMANDS = [
    "ls", "ls --format csv", "ls --format json", "show latest", "show latest --format json", "show latest --format csv",
    "show best --format json", "tree", "why", "why CANDIDATE", "compare CANDIDATE OTHER", "calls latest",
    "calls latest --format csv", "calls latest --format json", "calls pending", "top", "top --format csv",
    "doctor", "doctor --format csv", "watch latest", "db current", "db gc --dry-run", "resume latest",
    "tasks list KeyC", "curves CANDIDATE", "curves CANDIDATE --channels", "methods",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_screens_carry_no_control_characters_and_no_forged_lines(command, hostile_job):
    ran = run(hostile_job, command)
    assert not control_characters(ran.stdout + ran.stderr)
    assert not [line for line in (ran.stdout + ran.stderr).splitlines() if line.startswith("FORGED")]
    assert "bug in rewardsmith" not in ran.stderr


@pytest.mark.parametrize("command", ["show --prompts", "logs", "show CANDIDATE --prompts"])
def test_texts_of_many_lines_lose_their_escapes_too(command, hostile_job):
    ran = run(hostile_job, command)
    assert not control_characters(ran.stdout + ran.stderr)
    assert BRACKETS[0] in ran.stdout


@pytest.mark.parametrize("command", ["why", "show latest", "top", "calls latest", "watch latest", "why CANDIDATE"])
def test_brackets_are_shown_as_text(command, hostile_job):
    ran = run(hostile_job, command)
    shown = " ".join((ran.stdout + ran.stderr).split())
    assert BRACKETS[0] in shown
    if command.startswith("why"):
        assert all(words in shown for words in BRACKETS)


def run(folder: Path, command: str):
    first, *others = candidates_of(folder)
    words = [{"CANDIDATE": first, "OTHER": (others or [first])[0]}.get(word, word) for word in command.split()]
    return in_process(folder, *words)


def test_a_program_is_cleaned_on_a_terminal_and_keeps_its_bytes_in_a_pipe(hostile_job, monkeypatch):
    (first, *_) = candidates_of(hostile_job)
    assert PROGRAM in in_process(hostile_job, "show", first).stdout
    terminal = io.StringIO()
    monkeypatch.setattr(screen, "out", screen.PlainConsole(file=terminal, force_terminal=True, width=200))
    in_process(hostile_job, "show", first)
    shown = STYLES.sub("", terminal.getvalue())
    assert not control_characters(shown) and "return 0.0" in shown and BRACKETS[0] in shown
    assert not [line for line in shown.splitlines() if line.startswith(("FORGED", "#"))]
    stored = json.loads(in_process(hostile_job, "show", first, "--format", "json").stdout)
    assert stored[0]["source"] == PROGRAM and stored[0]["thoughts"] == HOSTILE


def test_an_export_keeps_the_program_and_its_card_is_plain(hostile_job, small_job, tmp_path):
    (first, *_) = candidates_of(hostile_job)
    shutil.copytree(hostile_job, tmp_path / "here")
    with contextlib.closing(sqlite3.connect(small_job.folder / ".rewardsmith/rewardsmith.db")) as database:
        (source,) = database.execute("SELECT source FROM candidates WHERE id = ?", [first]).fetchone()
    program = source + "\n# \x1b[2J\u202e [/b]\n"
    with contextlib.closing(sqlite3.connect(tmp_path / "here/.rewardsmith/rewardsmith.db")) as database:
        database.execute("UPDATE candidates SET source = ? WHERE id = ?", [program, first])
        database.commit()
    ran = in_process(tmp_path / "here", "export", first, "--out", "exported")
    assert ran.returncode == 0, ran.stderr
    card = (tmp_path / "here/exported/card.md").read_text()
    assert not control_characters(card) and "\\[/b]" in card and "[link=" not in card.replace("\\[link=", "")
    assert not [line for line in card.splitlines() if line.startswith("FORGED")]
    exported = (tmp_path / "here/exported/reward.py").read_text()
    assert program.strip() in exported
    title = ast.get_docstring(ast.parse(exported), clean=False)
    assert title is not None and not control_characters(title) and "FORGED" in title.splitlines()[0]
    assert not control_characters(exported.replace(program.strip(), ""))


@pytest.mark.parametrize("message", ["[/b]", "[link=http://a]x", "x\x1b[2J\nFORGED", "\u202e", "a :warning: b"])
def test_check_shows_the_message_of_a_program(message, tmp_path):
    body = f"    if state.step >= 0:\n        raise ValueError({message!r})\n    return 0.0\n"
    (tmp_path / "r.py").write_text(f"def reward(prev, action, state, memory):\n{body}")
    ran = in_process(tmp_path, "check", "r.py", "--task", "MiniGrid-DoorKey-5x5-v0", "--layouts", "1")
    assert ran.returncode == 1 and "bug in rewardsmith" not in ran.stderr
    assert not control_characters(ran.stdout + ran.stderr) and not re.search("^FORGED", ran.stdout, re.MULTILINE)
    for words in ("[/b]", "[link=http://a]x", "a :warning: b"):
        assert (words in ran.stdout) == (words in message)


def test_an_error_is_plain_and_its_cause_is_no_second_error(tmp_path):
    ran = in_process(tmp_path, "show", "x\x1b[31m\nerror: forged\u202e")
    assert ran.returncode and not control_characters(ran.stderr) and ran.stderr.count("\nerror:") == 0
    debugged = in_process(tmp_path, "--debug", "show", "x\x1b[31m", env={"REWARDSMITH_DEBUG": "1"})
    assert "Traceback" in debugged.stderr and not control_characters(debugged.stderr)


def test_csv_has_one_line_per_row_and_no_formula(hostile_job, tmp_path):
    shutil.copytree(hostile_job, tmp_path / "here")
    with contextlib.closing(sqlite3.connect(tmp_path / "here/.rewardsmith/rewardsmith.db")) as database:
        database.execute("UPDATE jobs SET owner = '=cmd|''/c calc''!A1'")
        database.commit()
    ran = in_process(tmp_path / "here", "ls", "--format", "csv")
    (row,) = csv.DictReader(ran.stdout.splitlines())
    assert row["owner"] == "'=cmd|'/c calc'!A1" and len(ran.stdout.splitlines()) == 2


def test_the_live_screen_draws_no_markup_and_no_forged_row(hostile_job, monkeypatch):
    from rewardsmith.cli.inspect import _reading
    from rewardsmith.reporting.overview import read_overview

    monkeypatch.chdir(hostile_job)
    with _reading() as connection:
        (job,) = {name.split("-")[0] for name in candidates_of(hostile_job)}
        view = read_overview(connection, job)
    drawn = io.StringIO()
    screen.PlainConsole(file=drawn, force_terminal=True, width=300).print(live.screen_of(view))
    shown = STYLES.sub("", drawn.getvalue())
    assert not control_characters(shown) and BRACKETS[0] in shown
    assert not [line for line in shown.splitlines() if line.startswith("FORGED")]
    assert all(len(live.plain_line(row).splitlines()) == 1 for row in view.rows)


def test_a_hostile_value_anywhere_in_rich_is_drawn_as_text():
    from rich.text import Text
    from rich.tree import Tree

    drawn = io.StringIO()
    console = screen.PlainConsole(file=drawn, force_terminal=True, width=300)
    table = screen.table(HOSTILE, [(HOSTILE, "left"), (HOSTILE, "left")])
    table.add_row(HOSTILE, HOSTILE)
    for thing in (HOSTILE, Text(HOSTILE), table, Tree(HOSTILE)):
        console.print(thing)
    console.rule(HOSTILE)
    shown = STYLES.sub("", drawn.getvalue())
    assert not control_characters(shown) and shown.count("[/b]") == 9 and ":warning:" in shown


def test_labels_of_pictures_are_no_formulas(tmp_path):
    from rewardsmith.plots.canvas import save
    from rewardsmith.plots.learning import channel_curves, channel_stack, learning_curves

    bad = "$\\frac{$ \\$x$ \x1b[2J\u202e <b>"
    points = [{"steps": s, "success": 0.5, "episodes": 10, "components": {"episodes": 20, "channels": {bad: {
        "mean_per_episode": 1.0}}}} for s in (1, 2)]  # fmt: skip
    figures = (learning_curves({bad: [points]}, bad), channel_curves([points], bad), channel_stack([points], bad))
    for figure in figures:
        save(figure, tmp_path / "a.svg")
        assert not control_characters((tmp_path / "a.svg").read_text())


def test_commands_print_through_the_screen():
    folder = Path(main.__code__.co_filename).parent
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and path.name != "screen.py":
                expression = ast.unparse(node)
                if all(isinstance(argument, ast.Constant) for argument in node.args):
                    continue  # text of rewardsmith
                assert node.func.id != "print" or "plain(" in expression or "indented(" in expression, (
                    f"{path.name}: {expression}"
                )
            names = [a.name for a in node.names] if isinstance(node, ast.ImportFrom) else []
            if path.name != "screen.py" and isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rich"):
                # Other renderables, such as a Panel's title, read markup regardless of the console's settings.
                known = {"Group", "Live", "Syntax", "Table", "Text", "Tree"}
                assert set(names) <= known, f"{path.name} imports {names}; let screen.py draw it"
