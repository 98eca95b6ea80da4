"""Attacks in the language: introspection, back doors of numpy, text that becomes code.

The program starts as a language model's program does, behind the facade. The kernel's layers stop the attacks that gate
and facade miss; the last three lists contain those.
"""

from __future__ import annotations

from attack_types import attacks

_WALK = (
    "os = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__\n"
)
_NP = "import numpy as np\n"

ATTACKS = [
    *attacks(
        "gate facade seccomp landlock",
        {
            "import os": "import os\nreturn os.listdir('/')",
            "import from os": "from os import open as o\nreturn o('/etc/passwd', 0) >= 0",
            "import pathlib": "import pathlib\nreturn pathlib.Path('/etc/passwd').read_text()",
            "import io": "import io\nreturn io.open('/etc/passwd').read()",
            "import posix": "import posix\nreturn posix.listdir('/')",
            "import linecache": "import linecache\nreturn linecache.getlines('/etc/passwd')",
            "import shutil": "import shutil\nreturn shutil.copy('/etc/passwd', '{tmp}/shutil')",
            "import glob": "import glob\nreturn glob.glob('/*')",
            "open": "return open('/etc/passwd').read()",
            "eval": "return eval(\"__import__('os').listdir('/')\")",
            "exec": "exec(\"x = __import__('os').listdir('/')\"); return True",
            "compile": "return eval(compile(\"open('/etc/passwd').read()\", 'x', 'eval'))",
            "__import__": "return __import__('os').listdir('/')",
            "the builtins module": "import builtins\nreturn builtins.open('/etc/passwd').read()",
            "importlib": "import importlib\nreturn importlib.import_module('os').listdir('/')",
            "numpy load": _NP + "return np.load('{tmp}/array.npy').size > 0",
            "numpy load, pickled": _NP + "return np.load('{tmp}/array.npy', allow_pickle=True).size > 0",
            "numpy save": _NP + "np.save('{tmp}/saved', 1); return True",
            "numpy fromfile": _NP + "return np.fromfile('/etc/passwd', np.uint8).size > 0",
            "numpy memmap": _NP + "return np.memmap('/etc/passwd', mode='r').size > 0",
            "numpy genfromtxt": _NP + "return np.genfromtxt('/etc/passwd', dtype=str, delimiter='\\n').size > 0",
            "numpy loadtxt": _NP
            + "return np.loadtxt('/etc/passwd', dtype=str, delimiter=':', usecols=0, comments=None).size > 0",
            "numpy savetxt": _NP + "np.savetxt('{tmp}/text', [1.0]); return True",
            "numpy datasource": _NP + "return np.lib.npyio.DataSource('{tmp}').open('/etc/passwd').read()",
            "numpy format": _NP + "return np.lib.format.open_memmap('{tmp}/array.npy').size > 0",
            "numpy ctypeslib": _NP + "return np.ctypeslib.load_library('libc.so.6', '/lib/x86_64-linux-gnu')",
            "numpy polynomial's operator": (
                _NP + "g = np.polynomial.polyutils.operator.attrgetter('__globals__')\n"
                "return g(np.polynomial.polyutils.as_series)['__builtins__']['open']('/etc/passwd').read()"
            ),
            "numpy testing": _NP + "import numpy.testing\nreturn numpy.testing._private.utils.os.listdir('/')",
            "numpy's own modules": _NP + "return np.core.multiarray.__builtins__['open']('/etc/passwd')",
            "numpy's file of a module": _NP + "return open(np.__file__, 'rb').read(4)",
            "loader of math": "import dataclasses\nreturn dataclasses.sys.modules['os'].listdir('/')",
            "inside of collections": "import collections\nreturn collections._sys.modules['os'].listdir('/')",
            "inside of enum": "import enum\nreturn enum.sys.modules['os'].listdir('/')",
            "inside of statistics": "import statistics\nreturn statistics.sys.modules['os'].listdir('/')",
        },
        door=False,
    ),
    *attacks(
        "gate facade",
        {
            "memoryview": "return len(memoryview(b'x')) == 1",
            "globals": "globals()['x'] = 1; return True",
            "addresses": "return id(1) > 0",
            "numpy random": _NP + "return np.random.rand() >= 0",
            "random": "import random\nreturn random.random() >= 0",
            "clock": "import time\nreturn time.time() > 0",
            "clock of datetime": "import datetime\nreturn datetime.datetime.now()",
            "secrets": "import secrets\nreturn secrets.token_bytes(1)",
            "the garbage collector": "import gc\nreturn len(gc.get_objects()) > 0",
            "inspect": "import inspect\nreturn inspect.currentframe() is not None",
            "sys": "import sys\nreturn len(sys.modules) > 0",
            "ctypes": "import ctypes\nreturn ctypes.sizeof(ctypes.c_int) == 4",
            "pickle": "import pickle\nreturn pickle.loads(pickle.dumps(1)) == 1",
        },
        door=False,
    ),
    *attacks(
        "gate seccomp landlock",
        {
            "subclasses of object": _WALK + "return os['listdir']('/')",
            "globals of a method of a view": (
                "g = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Facade'][0].__init__\n"
                "return g.__globals__['sys'].modules['os'].listdir('/')"
            ),
            "globals of a function of a module": (
                "from dataclasses import dataclass\nreturn dataclass.__globals__['sys'].modules['os'].listdir('/')"
            ),
            "globals of copy": (
                "from copy import deepcopy\nreturn deepcopy.__globals__['__builtins__']['open']('/etc/passwd').read()"
            ),
            "globals of namedtuple": (
                "from collections import namedtuple\nreturn namedtuple.__globals__['_sys'].modules['os'].listdir('/')"
            ),
            "frame of a generator": (
                "def g():\n    yield gen.gi_frame.f_back.f_back\ngen = g()\nframe = next(gen)\n"
                "while frame.f_back: frame = frame.f_back\n"
                "return frame.f_builtins['__import__']('os').listdir('/')"
            ),
            "frame of a traceback": (
                "try: 1 / 0\nexcept ZeroDivisionError as e:\n    frame = e.__traceback__.tb_frame\n"
                "while frame.f_back: frame = frame.f_back\n"
                "return frame.f_builtins['open']('/etc/passwd').read()"
            ),
            "dictionary of a module": (
                "import statistics\nf = statistics.fmean\nreturn f.__globals__['sys'].modules['os'].listdir('/')"
            ),
            "globals of a cached property": (
                "import functools\ng = functools.cached_property.__init__.__globals__\n"
                "return g['__builtins__']['open']('/etc/passwd').read()"
            ),
            "mro of a number": (
                "b = (1).__class__.__mro__[-1].__subclasses__()\n"
                "return [c for c in b if c.__name__ == 'Popen' or c.__name__ == '_wrap_close'][0]"
                ".__init__.__globals__['listdir']('/')"
            ),
            "code object": (
                "f = lambda: 0\nc = f.__code__.replace(co_names=('x',))\nt = f.__class__\n"
                "import copy\ng = copy.copy.__globals__\nassert t(c, g)() == 0\n"
                "return g['__builtins__']['open']('/etc/passwd')"
            ),
            "numpy's array function": (
                _NP + "f = np.median\nf = getattr(f, '__wrapped__', f)\n"
                "return f.__globals__['__builtins__']['open']('/etc/passwd').read()"
            ),
        },
        door=False,
    ),
    *attacks(
        "seccomp landlock",
        {
            "tofile of an array": _NP + "np.zeros(2).tofile('{tmp}/tofile'); return True",
            "dump of an array": _NP + "np.zeros(2).dump('{tmp}/dump'); return True",
            "attribute names that are put together": (
                "get = [getattr][0]\n"
                "def hidden(o, name): return get(o, '_' * 2 + name + '_' * 2)\n"
                "w = [c for c in hidden(object, 'subclasses')() if hidden(c, 'name') == '_wrap_close'][0]\n"
                "return hidden(hidden(w, 'init'), 'globals')['listdir']('/')"
            ),
        },
        door=False,
    ),
]
