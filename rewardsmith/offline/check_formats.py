"""The result of `check` as other tools read it: JUnit's XML, and SARIF 2.1.0 (OASIS standard)."""

from __future__ import annotations

import ast
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rewardsmith.files import read_text
from rewardsmith.offline.check_reward import CheckedReward, Origin
from rewardsmith.plaintext import plain
from rewardsmith.programs.reward_file import program_of
from rewardsmith.syntax import NotPython, parse_module
from rewardsmith.verification.checks import Verdict

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_REWARDS = ("reward", "potential", "dense", "sparse", "subgoals")
_LINE = re.compile(r"\bline (\d+)\b")
RULES = {
    "gate": "The program does something that the sandbox refuses, or does not follow the contract.",
    "contract": "The program raises, or returns something other than finite numbers.",
    "cost": "The program takes too long for each transition.",
    "determinism": "The program returns different values for the same transitions.",
    "fields": "A milestone depends on a value that cannot occur, or a field that is read does not exist.",
    "battery": "A behaviour that never solves the task earns at least as much as one that does.",
    "certificate": "The optimal policy under the reward does not solve the task, or could not be computed.",
    "components": "No component of the reward pays anything.",
    "direction": "The reward pays for moving away from success.",
}
"""What a failure of each check means, by the check's name."""


@dataclass(frozen=True)
class Checkout:
    """The file of a reward, and how the run was judged.

    Attributes:
        file: Path of the file, as findings name it.
        text: Its text, in which lines are counted.
        version: Version of rewardsmith.
        fail_on: What `--fail-on` demands, see CheckedReward.exit_code.
    """

    file: str
    text: str
    version: str
    fail_on: str = "failure"


@dataclass(frozen=True)
class Finding:
    """One finding about a reward.

    Attributes:
        check: Name of the check.
        level: "error" if the check failed; "warning" if its verdict is weaker than demanded; "note" if it did not run.
        message: The finding in words.
        line: The line of the file that it concerns, from 1.
    """

    check: str
    level: str
    message: str
    line: int


def findings_of(found: CheckedReward, checkout: Checkout) -> list[Finding]:
    """Return what a reward's author should look at: failed checks, an undecided certificate, checks not run."""
    first, offset = _definition_line(checkout.text), _offset(checkout.text)
    findings: list[Finding] = []
    for verdict in found.checked.verdicts:
        if not verdict.passed:
            findings += [Finding(verdict.kind, "error", *each) for each in _each_line(verdict, first, offset)]
        elif (weak := _weakness(verdict, found)) is not None:
            demanded = found.exit_code(checkout.fail_on) != 0
            findings.append(Finding(verdict.kind, "warning" if demanded else "note", weak, first))
    return findings + [Finding(kind, "note", f"not run: {reason}", first) for kind, reason in found.not_run]


def as_sarif(found: CheckedReward, checkout: Checkout) -> dict[str, Any]:
    """Return the findings as one run of a SARIF log."""
    findings = findings_of(found, checkout)
    rules = [name for name in RULES if any(each.check == name for each in findings)]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "rewardsmith",
                        "version": checkout.version,
                        "rules": [
                            {"id": name, "name": name.capitalize(), "shortDescription": {"text": RULES[name]}}
                            for name in rules
                        ],
                    }
                },
                "invocations": [{"executionSuccessful": True, "exitCode": found.exit_code(checkout.fail_on)}],
                "results": [
                    {
                        "ruleId": each.check,
                        "ruleIndex": rules.index(each.check),
                        "level": each.level,
                        "message": {"text": plain(each.message)},
                        "locations": [_location(checkout.file, each.line)],
                    }
                    for each in findings
                ],
                "properties": {"task": found.task, "soundness": _soundness(found)},
            }
        ],
    }


def as_junit(found: CheckedReward, checkout: Checkout) -> str:
    """Return every check as a test case of a JUnit report: passed, failed or skipped."""
    failed = {each.check: each for each in findings_of(found, checkout) if each.level in ("error", "warning")}
    cases = [(v.kind, v.message) for v in found.checked.verdicts]
    suite = ElementTree.Element(
        "testsuite",
        name="rewardsmith check", package="rewardsmith", id="0", hostname=platform.node() or "localhost",
        timestamp=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), time="0",
        tests=str(len(cases) + len(found.not_run)), failures=str(len(failed)), errors="0",
        skipped=str(len(found.not_run)),
    )  # fmt: skip
    properties = ElementTree.SubElement(suite, "properties")
    told = {"task": found.task, "reward": checkout.file, "gamma": f"{found.gamma:g}", "soundness": _headline(found)}
    for name, value in told.items():
        ElementTree.SubElement(properties, "property", name=name, value=plain(value))
    for kind, message in cases:
        case = ElementTree.SubElement(suite, "testcase", name=kind, classname=_classname(checkout.file), time="0")
        if (each := failed.get(kind)) is not None:
            text = f"{checkout.file}:{each.line}: {message}"
            short = plain(message).split("\n", 1)[0]
            ElementTree.SubElement(case, "failure", message=short, type=each.level).text = plain(text)
    for kind, reason in found.not_run:
        case = ElementTree.SubElement(suite, "testcase", name=kind, classname=_classname(checkout.file), time="0")
        ElementTree.SubElement(case, "skipped", message=plain(reason))
    said = "\n".join(f"{kind}: {message}" for kind, message in cases)
    ElementTree.SubElement(suite, "system-out").text = plain(said)
    ElementTree.SubElement(suite, "system-err")
    report = ElementTree.Element("testsuites")
    report.append(suite)
    ElementTree.indent(report)
    return ElementTree.tostring(report, encoding="unicode", xml_declaration=False)


def _each_line(verdict: Verdict, first: int, offset: int) -> Iterator[tuple[str, int]]:
    """(message, line) of each finding of a verdict. The gate reports several, each on a line of its own."""
    for text in verdict.message.splitlines() if verdict.kind == "gate" else [verdict.message]:
        line = verdict.details.get("line") or next((int(each) for each in _LINE.findall(text)), None)
        yield text, line + offset if isinstance(line, int) and line > 0 else first


def _weakness(verdict: Verdict, found: CheckedReward) -> str | None:
    """What a certificate that passed leaves open, in words; None for a bounded verdict and for other checks."""
    soundness = found.soundness
    if verdict.kind != "certificate" or soundness is None or (soundness.bounded and not soundness.undecided):
        return None
    return f"{soundness.headline}. {verdict.message}"


def origin_of_file(path: Path) -> Origin:
    """Return the origin of a reward that was read from a file: its path and the line of its first reward function."""
    return Origin("file", path.as_posix(), _definition_line(read_text(path)))


def _definition_line(text: str) -> int:
    """The line on which the file defines its first reward function; 1 if it cannot be read."""
    try:
        body = parse_module(text).body
    except NotPython as error:
        return error.line or 1
    lines = [n.lineno for n in body if isinstance(n, ast.FunctionDef) and n.name in _REWARDS]
    return min(lines, default=1)


def _offset(text: str) -> int:
    """The number of lines of an exported file before the program that was checked; 0 for a plain reward file."""
    program = program_of(text)
    return 0 if program is None else text[: text.index(program.strip())].count("\n")


def _location(file: str, line: int) -> dict[str, Any]:
    path = Path(file)
    uri = path.as_uri() if path.is_absolute() else path.as_posix().replace(" ", "%20")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}}


def _classname(file: str) -> str:
    return ".".join(Path(file).with_suffix("").parts[-2:]).replace("/", "")


def _soundness(found: CheckedReward) -> dict[str, Any] | None:
    return None if found.soundness is None else found.soundness.as_dict()


def _headline(found: CheckedReward) -> str:
    return "no certificate" if found.soundness is None else found.soundness.headline
