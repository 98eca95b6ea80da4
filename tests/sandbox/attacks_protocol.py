"""Attacks on the client: forged answers, denial of service, tricks with what is returned."""

from __future__ import annotations

from attack_types import attacks

_P = "p = sys.modules['sandbox.protocol']\n"
# The nonce of the request in hand lies in the frame of the host's loop.
_NONCE = (
    _P + "frame = sys._getframe()\n"
    "while 'nonce' not in frame.f_locals: frame = frame.f_back\n"
    "nonce = frame.f_locals['nonce']\n"
)
_SEND = "os.write(1, raw); return True"
_PROGRAM = "s = sys.modules['sandbox.scoring'].Program\n"
_ANSWER = "c = sys.modules['sandbox.child']\n"
_SPIN = "import math\nt = use('time').process_time\nend = t() + 0.6\n"

ATTACKS = [
    *attacks(
        "validation",
        {
            "an answer that is too short": _NONCE + "raw = p.pack_reply(p.Reply(('reward',)), nonce)[:-1]\n" + _SEND,
            "another nonce": _NONCE + "raw = p.pack_reply(p.Reply(('reward',)), bytes(16))\n" + _SEND,
            "another magic": _NONCE + "raw = b'rws0' + p.pack_reply(p.Reply(('reward',)), nonce)[4:]\n" + _SEND,
            "a third kind of answer": (
                _NONCE
                + "raw = bytearray(p.pack_reply(p.Reply(('reward',)), nonce)); raw[4] = 2; raw = bytes(raw)\n"
                + _SEND
            ),
            "more names than there is room for": (
                _NONCE + "raw = bytearray(p.pack_reply(p.Reply(('reward',)), nonce)); raw[40:44] = b'\\xff' * 4\n"
                "raw = bytes(raw)\n" + _SEND
            ),
            "more text than there is room for": (
                _NONCE + "raw = bytearray(p.pack_reply(p.Reply(('reward',)), nonce)); raw[44:48] = b'\\xff' * 4\n"
                "raw = bytes(raw)\n" + _SEND
            ),
            "an error that hides scores": (
                _NONCE + "raw = bytearray(p.pack_reply(p.Reply(error=p.HostError('value', 'x')), nonce))\n"
                "raw[4] = 255; raw = bytes(raw)\n" + _SEND
            ),
            "a name in capitals": _PROGRAM
            + "s.score = lambda *a: "
            + "sys.modules['sandbox.protocol'].Reply(('Evil',)); return 1",
            "a name twice": _PROGRAM
            + "s.score = lambda *a: sys.modules['sandbox.protocol'].Reply(('a', 'a')); return 1",
            "a name that is a path": _PROGRAM
            + "s.score = lambda *a: sys.modules['sandbox.protocol'].Reply(('../a',)); return 1",
            "a name that drives a terminal": (
                _PROGRAM + "s.score = lambda *a: sys.modules['sandbox.protocol'].Reply(('a\\x1b[2J',)); return 1"
            ),
            "a name of another function": _PROGRAM
            + "s.score = lambda *a: sys.modules['sandbox.protocol'].Reply(('other.a',)); return 1",
            "names that change": (
                _PROGRAM + "names = iter([('a',), ('b',), ('c',)])\n"
                "s.score = lambda *a: sys.modules['sandbox.protocol'].Reply(next(names)); return 1"
            ),
            "names that vanish": (
                _PROGRAM + "names = iter([('a', 'b'), ('a',), ()])\n"
                "s.score = lambda *a: sys.modules['sandbox.protocol'].Reply(next(names)); return 1"
            ),
            "not a number": _PROGRAM + "s._check_values = lambda self, out, *a: out.fill(float('nan')); return 1",
            "infinity": _PROGRAM + "s._check_values = lambda self, out, *a: out.fill(float('inf')); return 1",
            "a value above the bound": _PROGRAM + "s._check_values = lambda self, out, *a: out.fill(10001.0); return 1",
            "a denormal bit pattern": (
                _PROGRAM + "s._check_values = lambda self, out, *a: out.view('u8').fill(0xfff8dead00000001); return 1"
            ),
            "an answer before the question": (
                _ANSWER + _P + "answer = c._answer\n"
                "def twice(reply, nonce):\n    answer(reply, nonce); answer(reply, nonce)\n"
                "c._answer = twice; return 1"
            ),
            "an old answer again": (
                _ANSWER + "answer = c._answer; first = []\n"
                "def stale(reply, nonce):\n    first.append(nonce); answer(reply, first[0])\n"
                "c._answer = stale; return 1"
            ),
        },
        alone=True,
        wins="accepted",
    ),
    *attacks(
        "validation",
        {
            "a message that drives a terminal": "raise SystemExit('\\x1b[2J\\x07' + 'x' * 5)",
            "a message that fakes a line": "raise SystemExit('fine\\r\\x1b[1A all is well')",
            "a message right to left": "raise SystemExit('\\x1b\\u202e' + 'abc')",
            "an exception whose name drives a terminal": "raise type('\\x1b[31m', (BaseException,), {})('x')",
            "a text of broken bytes": (
                _PROGRAM + _P + "def f(*a): raise p.HostError('value', '\\x1b]0;owned\\x07')\ns.score = f; return 1"
            ),
        },
        alone=True,
        wins="escape",
    ),
    *attacks(
        "deadline",
        {
            "endless loop": _SPIN + "while t() < end: pass\nreturn True",
            "endless loop that hides errors": (
                _SPIN + "while t() < end:\n    try: pass\n    except BaseException: pass\nreturn True"
            ),
            "endless recursion of generators": _SPIN + "while t() < end: sum(x for x in range(1000))\nreturn True",
            "a huge power": "return (7 ** 3000000) > 0",
            "a huge sum": "return sum(range(25_000_000)) > 0",
            "a hard pattern": "return use('re').match('(a*)*b', 'a' * 23) is None",
            "huge sorts": (
                "return [sorted(range(300_000), key=lambda x: (x * 7919) % 1000003)[0] for _ in range(12)] != []"
            ),
            "loops of numpy": (
                "np = sys.modules['numpy']\n" + _SPIN + "while t() < end: np.sort(np.ones(1000))\nreturn True"
            ),
        },
        alone=True,
    ),
    *attacks(
        "rlimits",
        {"processor time over many calls": _SPIN.replace("0.6", "1.6") + "while t() < end: pass\nreturn True"},
        alone=True,
    ),
]
