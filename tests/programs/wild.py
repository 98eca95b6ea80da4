"""Completions as models write them, each with the reading that its author would expect.

`WILD` maps a name to (completion, functions asked for, the program expected or a piece of the refusal's reason).
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass

R = ("reward",)
TWO = ("sparse", "dense")

PLAIN = """\
def reward(prev, action, state, memory):
    if state.solved:
        return {"success": 1.0}
    return {"success": 0.0}
"""
HELPED = """\
import math

FAR = 10.0


def near(state):
    return math.exp(-abs(state.x) / FAR)


def reward(prev, action, state, memory):
    return {"near": near(state) - near(prev), "success": 1.0 if state.solved else 0.0}
"""
MEMORY = '''\
def reward(prev, action, state, memory):
    """Pay each milestone once."""
    paid = memory.setdefault("paid", set())
    gain = 0.0
    for name in ("picked_up", "unlocked"):  # in this order
        if state.event == name and name not in paid:
            paid.add(name)
            gain += 0.5
    return {"milestone": gain, "success": float(state.solved)}
'''
PAIR = """\
def sparse(prev, action, state, memory):
    return 1.0 if state.solved else 0.0


def dense(prev, action, state, memory):
    return prev.distance - state.distance
"""
SPARSE, DENSE = (part.strip() + "\n" for part in PAIR.split("\n\n\n"))
FENCE_INSIDE = '''\
def reward(prev, action, state, memory):
    """Example:

    ```
    reward(prev, 0, state, {})
    ```
    """
    return 1.0 if state.solved else 0.0
'''
MARKDOWN_INSIDE = """\
# # Reward
# * **success**: pays 1
# - see `state.solved`
def reward(prev, action, state, memory):
    # ## Step 1: success
    return 1.0 if state.solved else 0.0  # `1.0` once
"""
UNICODE = """\
def reward(prev, action, state, memory):
    # Ziel erreicht, schön; ключ 鍵
    return {"success": 1.0 if state.solved else 0.0}
"""
TYPED = """\
from typing import Any


def reward(prev: Any, action: int, state: Any, memory: dict[str, Any]) -> dict[str, float]:
    return {"success": 1.0 if state.solved else 0.0}
"""
CLASSED = """\
from dataclasses import dataclass


@dataclass
class Weights:
    success: float = 1.0


W = Weights()


def reward(prev, action, state, memory):
    return W.success if state.solved else 0.0
"""


@dataclass(frozen=True)
class Case:
    text: str
    functions: tuple[str, ...]
    program: str | None = None
    refusal: str | None = None


def fenced(code: str, tag: str = "python", mark: str = "```") -> str:
    return f"{mark}{tag}\n{code.rstrip()}\n{mark}"


def shifted(text: str, by: str) -> str:
    return textwrap.indent(text, by)


def smart(code: str) -> str:
    """Straight quotes turned into typographic ones, as word processors do."""
    out, opened = [], False
    for char in code:
        if char == '"':
            out.append("”" if opened else "“")
            opened = not opened
        else:
            out.append(char)
    return "".join(out)


def reads(text: str, program: str, functions: tuple[str, ...] = R) -> Case:
    return Case(text, functions, program=program)


def refuses(text: str, reason: str, functions: tuple[str, ...] = R) -> Case:
    return Case(text, functions, refusal=reason)


DIFF = """\
--- a/reward.py
+++ b/reward.py
@@ -1,3 +1,4 @@
 def reward(prev, action, state, memory):
-    return 0.0
+    if state.solved:
+        return 1.0
     return 0.0
"""
NEW_FILE_DIFF = "--- /dev/null\n+++ b/reward.py\n@@ -0,0 +1,4 @@\n" + shifted(PLAIN, "+")
CLASS = f"class Reward:\n    def __init__(self):\n        self.w = 1.0\n\n{shifted(PLAIN, '    ')}"
METHOD = CLASS.replace("def reward(prev", "def reward(self, prev")
SHELL = ">>> " + PLAIN.rstrip().replace("\n", "\n... ")
NUMBERED = "\n".join(f"{n:>2} {line}" for n, line in enumerate(PLAIN.rstrip().split("\n"), start=1))
NUMBERED_BAR = "\n".join(f"{n:>3} | {line}" for n, line in enumerate(HELPED.rstrip().split("\n"), start=1))

HARMONY = "<|channel|>{channel}<|message|>"
FARMED = PLAIN.replace("1.0", "9.0")
MARKS = {
    "think": ("<think>", "</think>"),
    "Kimi": ("◁think▷", "◁/think▷"),
    "Magistral": ("[THINK]", "[/THINK]"),
    "Command A": ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    "Apertus": ("<|inner_prefix|>", "<|inner_suffix|>"),
    "Seed": ("<seed:think>", "</seed:think>"),
    "LongCat": ("<longcat_think>", "</longcat_think>"),
    "OpenThinker": ("<|begin_of_thought|>", "<|end_of_thought|>\n\n<|begin_of_solution|>"),
    "Gemma": ("<|channel>thought\n", "<channel|>"),
    "MedGemma": ("<unused94>thought\n", "<unused95>"),
    "s1": ("<|im_start|>think\n", "<|im_start|>answer\n"),
    "Solar": ("<|think|>", "<|end|><|begin|>assistant<|content|>"),
    "Granite": ("Here is my thought process:\n", "\nHere is my response:\n"),
    "gpt-oss": (HARMONY.format(channel="analysis"), f"<|end|><|start|>assistant{HARMONY.format(channel='final')}"),
    "gpt-oss without tokens": ("analysisWe need a reward. ", "assistantfinal"),
    "inner monologue": ("<inner_monologue>", "</inner_monologue>"),
}
"""By family, the marks around the reasoning."""


def marked() -> dict[str, Case]:
    """Under each family's marks: a draft in the thought, in JSON, too; a thought that never ends, also after a word."""
    found: dict[str, Case] = {}
    for name, (opening, closing) in MARKS.items():
        thought = f"{opening}A first thought:\n\n{fenced(FARMED)}\n\nNo: that can be farmed. "
        found |= {
            f"{name}: a draft in the thought": reads(f"{thought}I pay for success.{closing}\n\n{fenced(PLAIN)}", PLAIN),
            f"{name}: cut off": refuses(f"{thought}So I would rather", "reasoning did not end"),
            f"{name}: a draft in JSON, cut off": refuses(
                f"{opening}Maybe\n{json.dumps({'code': FARMED})}\nor", "reasoning did not end"
            ),
            f"{name}: a thought and no fence": reads(f"{opening}Success only.{closing}\n{PLAIN}", PLAIN),
        }
        if opening.startswith("<") and not opening.startswith("<|"):
            found[f"{name}: cut off behind a word"] = refuses(f"Sure.\n{thought}So", "reasoning did not end")
    return found


EDIT = "<<<<<<< SEARCH\n    return 0.0\n=======\n    return float(state.solved)\n>>>>>>> REPLACE\n"
WRAPPER = """\
import gymnasium as gym


class Bonus(gym.Wrapper):
    def reset(self, **kwargs):
        self.had = False
        return self.env.reset(**kwargs)

    def step(self, action):
        obs, r, terminated, truncated, info = self.env.step(action)
        return obs, r + 0.1, terminated, truncated, info
"""

WILD: dict[str, Case] = {
    # --- one block, however it is wrapped
    "a lone block": reads(fenced(PLAIN), PLAIN),
    "thoughts first": reads(f"The agent must find the key first.\n\n{fenced(MEMORY)}", MEMORY),
    "prose on both sides": reads(f"Sure! Here you go:\n\n{fenced(HELPED)}\n\nLet me know if it works!", HELPED),
    "a numbered plan": reads(f"1. Find the key\n2. Open the door\n3. Walk\n\n{fenced(MEMORY)}", MEMORY),
    "headings and bold": reads(f"# Thoughts\n**Key** first.\n\n## Code\n{fenced(HELPED)}\n\n## Notes\n- ok", HELPED),
    "a table around": reads(f"| part | pays |\n|---|---|\n| success | 1 |\n\n{fenced(PLAIN)}\n", PLAIN),
    "no tag": reads(fenced(HELPED, ""), HELPED),
    "tag py": reads(fenced(MEMORY, "py"), MEMORY),
    "tag python3": reads(fenced(MEMORY, "python3"), MEMORY),
    "tag Python": reads(fenced(MEMORY, "Python"), MEMORY),
    "tag with a file name": reads(fenced(PLAIN, "python:reward.py"), PLAIN),
    "tag in braces": reads(fenced(PLAIN, "{.python .numberLines}"), PLAIN),
    "tag text": reads(fenced(PLAIN, "text"), PLAIN),
    "tag javascript": reads(fenced(HELPED, "javascript"), HELPED),
    "tag cpp": reads(fenced(HELPED, "cpp"), HELPED),
    "tag json": reads(fenced(PLAIN, "json"), PLAIN),
    "tag tool_code": reads(fenced(PLAIN, "tool_code"), PLAIN),
    "a blank before the tag": reads(fenced(PLAIN, " python"), PLAIN),
    "tildes": reads(fenced(PLAIN, "python", "~~~"), PLAIN),
    "five backticks": reads(fenced(PLAIN, "python", "`````"), PLAIN),
    "an unclosed block": reads(f"Here:\n```python\n{HELPED}", HELPED),
    "closed on the last line of code": reads(f"```python\n{PLAIN.rstrip()}```", PLAIN),
    "trailing blanks": reads(fenced(PLAIN.replace("\n", "   \n")), PLAIN),
    "blank lines in the block": reads(f"```python\n\n\n{PLAIN}\n\n\n```", PLAIN),
    "in a list item": reads("1. This one:\n" + shifted(fenced(MEMORY), "   "), MEMORY),
    "behind a bullet": reads("* " + fenced(MEMORY).replace("\n", "\n  "), MEMORY),
    "in a quotation": reads("My answer:\n\n" + shifted(fenced(PLAIN), "> "), PLAIN),
    "in an HTML details element": reads(f"<details><summary>code</summary>\n\n{fenced(PLAIN)}\n\n</details>", PLAIN),
    "in an HTML code element": reads(f"<pre><code>\n{PLAIN}</code></pre>", PLAIN),
    "in an HTML element on the code's line": reads(f'<pre><code class="language-python">{PLAIN}</code></pre>', PLAIN),
    "in XML answer tags": reads(f"<answer>\n{fenced(PLAIN)}\n</answer>", PLAIN),
    "in XML tags without a fence": reads(f"<code>\n{HELPED}</code>", HELPED),
    "a Markdown document in a fence": reads(f"```markdown\n# Reward\n\n{fenced(PLAIN)}\n```", PLAIN),
    "with a final confirmation": reads(f"{fenced(PLAIN)}\n\n```\nDone.\n```", PLAIN),
    # --- no fence
    "bare code": reads(MEMORY, MEMORY),
    "bare code, a sentence before": reads(f"Here is the reward function.\n\n{MEMORY}", MEMORY),
    "bare code between sentences": reads(f"My answer:\n\n{HELPED}\nIt pays for nearness.", HELPED),
    "bare code and a list behind": reads(f"{PLAIN}\n- pays once\n- nothing else\n", PLAIN),
    "Markdown's indented code": reads(f"Here it is:\n\n{shifted(PLAIN, '    ')}\n\nGood luck.", PLAIN),
    "indented by a tab": reads(f"Here it is:\n\n{shifted(PLAIN, chr(9))}\n\nGood luck.", PLAIN),
    "only the language's name before": reads(f"python\n{PLAIN}", PLAIN),
    # --- reasoning
    "think": reads(f"<think>\nFirst the key.\n</think>\n\n{fenced(PLAIN)}", PLAIN),
    "think with a draft": reads(f"<think>Maybe:\n{fenced(DENSE)}\nno.</think>\n{fenced(PLAIN)}", PLAIN),
    "think with the whole wrong program": reads(
        f"<think>\n{fenced(PLAIN.replace('1.0', '9.0'))}\nToo much.\n</think>\n{fenced(PLAIN)}", PLAIN
    ),
    "thinking": reads(f"<thinking>hm</thinking>\n{MEMORY}", MEMORY),
    "reasoning": reads(f"<reasoning>hm</reasoning>\n{fenced(MEMORY)}", MEMORY),
    "only the closing think": reads(f"So I write x = 1 first.\n</think>\n\n{fenced(PLAIN)}", PLAIN),
    "a scratchpad": reads(f"<scratchpad>{fenced(DENSE)}</scratchpad>\n\n{fenced(PLAIN)}", PLAIN),
    "begin_of_thought": reads(
        f"<|begin_of_thought|>{fenced(PLAIN.replace('1.0', '3.0'))}<|end_of_thought|>\n{fenced(PLAIN)}", PLAIN
    ),
    "special tokens at the end": reads(f"{fenced(PLAIN)}<|im_end|>", PLAIN),
    "reasoning that mentions fences": reads(f"<think>I must use ```python fences.</think>\n{fenced(PLAIN)}", PLAIN),
    # --- several blocks
    "a draft and its correction": reads(f"{fenced(PLAIN.replace('1.0', '5.0'))}\nBetter:\n{fenced(PLAIN)}", PLAIN),
    "the signature first": reads(
        f"The signature:\n{fenced('def reward(prev, action, state, memory): ...')}\n{fenced(PLAIN)}", PLAIN
    ),
    "an example of use after": reads(f"{fenced(PLAIN)}\nUse:\n{fenced('r = reward(s0, 1, s1, {})')}", PLAIN),
    "a test after": reads(f"{fenced(PLAIN)}\n{fenced('assert reward(a, 0, b, {}) == 0')}", PLAIN),
    "a shell command before": reads(f"{fenced('pip install numpy', 'bash')}\n{fenced(HELPED)}", HELPED),
    "a JSON summary after": reads(f"{fenced(PLAIN)}\n{fenced(json.dumps({'parts': 1}), 'json')}", PLAIN),
    "helper and function apart": reads(
        f"Helper:\n{fenced(HELPED[: HELPED.index('def reward')])}\n"
        f"Reward:\n{fenced(HELPED[HELPED.index('def reward') :])}",
        HELPED,
    ),
    "two functions in two blocks": reads(f"{fenced(SPARSE)}\nand\n{fenced(DENSE)}", PAIR, TWO),
    "two functions in one block": reads(fenced(PAIR), PAIR, TWO),
    "two functions, the other order": reads(f"{fenced(DENSE)}\n{fenced(SPARSE)}", f"{DENSE}\n\n{SPARSE}", TWO),
    "old program quoted, new one after": reads(
        f"The old one was:\n{fenced(MEMORY)}\nIt floods. The new one:\n{fenced(PLAIN)}", PLAIN
    ),
    "pseudocode before": reads(f"{fenced('if near key: pay', 'text')}\n{fenced(PLAIN)}", PLAIN),
    # --- what is inside
    "fences in a docstring": reads(fenced(FENCE_INSIDE), FENCE_INSIDE),
    "fences in a docstring, four backticks": reads(fenced(FENCE_INSIDE, "python", "````"), FENCE_INSIDE),
    "Markdown in comments": reads(fenced(MARKDOWN_INSIDE), MARKDOWN_INSIDE),
    "Markdown in comments, no fence": reads(MARKDOWN_INSIDE, MARKDOWN_INSIDE),
    "text beyond ASCII": reads(fenced(UNICODE), UNICODE),
    "type hints": reads(fenced(TYPED), TYPED),
    "a class beside the function": reads(fenced(CLASSED), CLASSED),
    "a main guard": reads(
        fenced(PLAIN + "\n\nif __name__ == '__main__':\n    print(reward)\n"),
        PLAIN + "\n\nif __name__ == '__main__':\n    print(reward)\n",
    ),
    "tabs": reads(fenced(PLAIN.replace("    ", "\t")), PLAIN),
    "two-blank indentation": reads(fenced(PLAIN.replace("    ", "  ")), PLAIN),
    "words of a chat template in a string": reads(
        fenced('END = "<|im_end|>"\n' + PLAIN), 'END = "<|im_end|>"\n' + PLAIN
    ),
    # --- edits
    "a SEARCH/REPLACE edit": refuses(f"I change one line.\n\n{EDIT}", "SEARCH and REPLACE"),
    "a fenced SEARCH/REPLACE edit": refuses(fenced(EDIT, "diff"), "SEARCH and REPLACE"),
    "a whole program in the REPLACE part": reads(
        f"<<<<<<< SEARCH\n{FARMED}=======\n{PLAIN}>>>>>>> REPLACE\n", PLAIN
    ),
    "the same in a fence": reads(fenced(f"<<<<<<< SEARCH\n{FARMED}=======\n{PLAIN}>>>>>>> REPLACE"), PLAIN),
    "a patch": refuses("*** Begin Patch\n*** Update File: reward.py\n-    return 0.0\n*** End Patch", "patch"),
    "a Gymnasium wrapper": refuses(fenced(WRAPPER), "environment wrapper"),
    "a Gymnasium wrapper without a fence": refuses(f"Use this:\n\n{WRAPPER}", "environment wrapper"),
    "a training callback": refuses(
        fenced("class Log(BaseCallback):\n    def _on_step(self):\n        return True\n"), "training callback"
    ),
    "an object that is called": refuses(
        fenced("class R:\n    def __call__(self, prev, action, state, memory):\n        return 0.0\n"), "__call__"
    ),
    "Eureka's name and tuple": refuses(
        fenced("def compute_reward(pos, goal):\n    d = abs(pos - goal)\n    return -d, {'d': d}\n"), "Call it `reward`"
    ),
    # --- envelopes
    "a tool's call as JSON": reads(
        json.dumps({"name": "write_file", "arguments": {"path": "reward.py", "content": PLAIN}}), PLAIN
    ),
    "a tool's call with JSON in JSON": reads(
        json.dumps({"name": "write", "arguments": json.dumps({"content": PLAIN})}), PLAIN
    ),
    "a list of parts": reads(json.dumps([{"type": "text", "text": f"Here:\n{fenced(PLAIN)}"}]), PLAIN),
    "two programs in JSON": refuses(json.dumps({"a": PLAIN, "b": FARMED}), "2 programs"),
    "the lines of a notebook": reads(json.dumps({"cells": [{"source": PLAIN.splitlines(keepends=True)}]}), PLAIN),
    "JSON whose program holds a thought": reads(
        json.dumps({"answer": f"<think>{fenced(FARMED)}</think>{fenced(PLAIN)}"}), PLAIN
    ),
    # --- mentions of marks
    "a tag in a sentence": reads(f"I reason without <think> here.\n{fenced(PLAIN)}", PLAIN),
    "a tag named in code": reads(f"The mark `<think>` is not used.\n{fenced(PLAIN)}", PLAIN),
    "two thoughts": reads(f"<think>{fenced(FARMED)}</think>\n<think>{fenced(DENSE)}</think>\n{fenced(PLAIN)}", PLAIN),
    "a commentary before the answer": reads(
        f"{HARMONY.format(channel='analysis')}hm<|end|><|start|>assistant{HARMONY.format(channel='commentary')}"
        f"{fenced(FARMED)}<|end|><|start|>assistant{HARMONY.format(channel='final')}{fenced(PLAIN)}<|return|>",
        PLAIN,
    ),
    "a program, then an unfinished thought": reads(f"{fenced(PLAIN)}\n<think>Or {fenced(FARMED)} or", PLAIN),
    # --- bytes
    "Windows line ends": reads(f"Here:\n{fenced(HELPED)}\n".replace("\n", "\r\n"), HELPED),
    "old Mac line ends": reads(fenced(PLAIN).replace("\n", "\r"), PLAIN),
    "a byte order mark": reads("\ufeff" + fenced(PLAIN), PLAIN),
    "no-break blanks": reads(fenced(PLAIN.replace("    ", "\u00a0" * 4)), PLAIN),
    "zero-width blanks": reads(fenced(PLAIN.replace("def ", "def \u200b")), PLAIN),
    "typographic quotes as delimiters": reads(fenced(smart(PLAIN)), PLAIN),
    "typographic quotes in a comment": reads(fenced("# the “key”\n" + PLAIN), PLAIN),
    "typographic quotes in prose": reads(f"I call it “reward”.\n{fenced(PLAIN)}", PLAIN),
    # --- other wrappings
    "JSON with the code in a string": reads(json.dumps({"thoughts": "key first", "code": PLAIN}), PLAIN),
    "JSON in a fence": reads(fenced(json.dumps({"code": HELPED}, indent=2), "json"), HELPED),
    "JSON with a fenced code string": reads(json.dumps({"program": fenced(PLAIN)}), PLAIN),
    "JSON with prose around": reads(f"Here:\n{json.dumps({'python': MEMORY})}\nDone.", MEMORY),
    "a list of JSON objects": reads(json.dumps([{"name": "reward", "source": PLAIN}]), PLAIN),
    "a Python prompt": reads(fenced(SHELL), PLAIN),
    "a diff of a new file": reads(fenced(NEW_FILE_DIFF, "diff"), PLAIN),
    "line numbers": reads(fenced(NUMBERED), PLAIN),
    "line numbers with bars": reads(fenced(NUMBERED_BAR), HELPED),
    # --- refusals that must say why
    "a diff against the old program": refuses(fenced(DIFF, "diff"), "diff"),
    "a diff without a fence": refuses(f"Change this:\n{DIFF}", "diff"),
    "a class with a static function": refuses(fenced(CLASS), "method of a class"),
    "a class with a method": refuses(fenced(METHOD), "method of a class"),
    "another name": refuses(fenced(PLAIN.replace("reward(", "compute_reward(")), "does not define `reward`"),
    "only one of two": refuses(fenced(DENSE), "does not define `sparse`", TWO),
    "cut in the middle of a line": refuses(f"```python\n{HELPED[:-30]}", "cut off"),
    "cut in the second function": refuses(f"```python\n{PAIR[:-12]}(", "cut off", TWO),
    "cut after the signature": refuses("```python\ndef reward(prev, action, state, memory):", "cut off"),
    "never-ending reasoning": refuses(f"<think>Let me see. {fenced(PLAIN)} Or", "reasoning did not end"),
    "an apology": refuses("I'm sorry, but I can't help with that.", "no Python program"),
    "a question back": refuses("Which environment do you mean? Please give more details.", "no Python program"),
    "pseudocode only": refuses("if the agent has the key: reward = 0.5\notherwise nothing", "no Python program"),
    "ellipsis body": refuses(fenced("def reward(prev, action, state, memory):\n    ..."), "no body"),
    "a placeholder in the code": refuses(
        fenced("def reward(prev, action, state, memory):\n    <your code here>\n    return 0"), "Syntax error"
    ),
    "Java": refuses(fenced("double reward(State s) { return s.solved ? 1 : 0; }", "java"), "marked as `java`"),
    "async": refuses(fenced("async " + PLAIN), "`async`"),
    "missing colon": refuses(fenced(PLAIN.replace("memory):", "memory)")), "Syntax error"),
    "Python 2 print": refuses(fenced(PLAIN + "\nprint 'done'\n"), "Syntax error"),
    "nothing": refuses("", "empty"),
    "an empty block": refuses("```python\n```", "no Python program"),
    "rest unchanged": refuses(
        fenced("def reward(prev, action, state, memory):\n    # ... rest of the code unchanged ...\n"), "Syntax error"
    ),
    **marked(),
}  # fmt: skip
