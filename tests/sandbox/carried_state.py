"""Programs that carry state from one call to the next outside of memory, and the check that finds each.

Each program changes its state at a call and still pays 1.0, so no comparison of results shows it. Such a program may
begin to pay differently after more calls than any check makes.
"""

from __future__ import annotations

HEAD = "def reward(prev, action, state, memory):\n"
PAY = "    return 1.0\n"

CARRIED = {
    "a counter of itertools": "import itertools\nC=itertools.count()\n" + HEAD + "    next(C)\n" + PAY,
    "a cycle of itertools": "import itertools\nC=itertools.cycle([1,2,3])\n" + HEAD + "    next(C)\n" + PAY,
    "a generator": "def g():\n    n=0\n    while True:\n        n+=1\n        yield n\nG=g()\n"
    + HEAD
    + "    next(G)\n"
    + PAY,
    "a default argument": "def reward(prev, action, state, memory, n=[0]):\n    n[0]+=1\n    return 1.0\n",
    "a keyword's default": "def f(*, n={}):\n    n['a']=n.get('a',0)+1\n    return 0\n" + HEAD + "    f()\n" + PAY,
    "an attribute of a function": "def f(): pass\nf.n=0\n" + HEAD + "    f.n+=1\n" + PAY,
    "an attribute of a function of a module": "from copy import deepcopy\n"
    + HEAD
    + "    deepcopy.n=getattr(deepcopy,'n',0)+1\n"
    + PAY,
    "an attribute of a function of numpy": "import numpy as np\n" + HEAD + "    np.median.n=1\n" + PAY,
    "a name in a module": "import numpy as np\nG=[getattr][0]\n" + HEAD + "    G(np,'__di'+'ct__')['k']=1\n" + PAY,
    "a name among the builtins": "G=[getattr][0]\n"
    + HEAD
    + "    G(reward,'__glo'+'bals__')['__builtins__']['k']=1\n"
    + PAY,
    "a global": "N=0\n" + HEAD + "    global N\n    N+=1\n" + PAY,
    "a closure": "def make():\n    n=0\n"
    "    def tick():\n        nonlocal n\n        n+=1\n        return n\n    return tick\nT=make()\n"
    + HEAD
    + "    T()\n"
    + PAY,
    "an attribute of a class": "class A:\n    n=0\n" + HEAD + "    A.n+=1\n" + PAY,
    "a list of a class": "class A:\n    n=[]\n" + HEAD + "    A.n.append(1)\n" + PAY,
    "an attribute of an instance": "class A:\n    pass\na=A()\n" + HEAD + "    a.n=1\n" + PAY,
    "a slot of an instance": "class A:\n    __slots__=('n',)\na=A()\n" + HEAD + "    a.n=1\n" + PAY,
    "a list inside a cache": "import functools\n@functools.lru_cache(None)\ndef box():\n    return [0]\n"
    + HEAD
    + "    box()[0]+=1\n"
    + PAY,
    "a list inside a cache with a limit": "import functools\n@functools.lru_cache(8)\ndef box():\n    return [0]\n"
    + HEAD
    + "    box()[0]+=1\n"
    + PAY,
    "an attribute of the class of states": HEAD + "    K=type(state)\n    K.n=1\n" + PAY,
    "an attribute of the base of states": HEAD + "    K=type(state).mro()[1]\n    K.n=1\n" + PAY,
    "an array": "import numpy as np\nA=np.zeros(3)\n" + HEAD + "    A[0]+=1\n" + PAY,
    "a deque that turns": "from collections import deque\nD=deque([1,2])\n" + HEAD + "    D.rotate(1)\n" + PAY,
    "a list that turns": "L=[1,2,3]\n" + HEAD + "    L.append(L.pop(0))\n" + PAY,
    "the order of a dict": "L={'a':1,'b':2,'c':3}\n" + HEAD + "    k=next(iter(L)); v=L.pop(k); L[k]=v\n" + PAY,
    "an iterator of a list": "I=iter(list(range(100000)))\n" + HEAD + "    next(I)\n" + PAY,
    "a zip": "I=zip(range(10**6),range(10**6))\n" + HEAD + "    next(I)\n" + PAY,
    "a map": "I=map(abs,range(10**6))\n" + HEAD + "    next(I)\n" + PAY,
    "an enumerate": "I=enumerate(range(10**6))\n" + HEAD + "    next(I)\n" + PAY,
    "an islice": "import itertools\nI=itertools.islice(itertools.count(),10**6)\n" + HEAD + "    next(I)\n" + PAY,
    "a chain": "import itertools\nI=itertools.chain(range(10**6))\n" + HEAD + "    next(I)\n" + PAY,
    "an accumulate": "import itertools\nI=itertools.accumulate(range(10**6))\n" + HEAD + "    next(I)\n" + PAY,
    "a tee": "import itertools\nI=itertools.tee(range(10**6))[0]\n" + HEAD + "    next(I)\n" + PAY,
    "a generator expression": "I=(x for x in range(10**6))\n" + HEAD + "    next(I)\n" + PAY,
    "a reversed": "I=reversed(range(10**6))\n" + HEAD + "    next(I)\n" + PAY,
    "an iterator of a dict": "D=dict.fromkeys(range(10000))\nI=iter(D)\n" + HEAD + "    next(I)\n" + PAY,
    "a bound method of a counter": "import itertools\nN=itertools.count().__next__\n" + HEAD + "    N()\n" + PAY,
    "a bound method of a list": "A=[].append\n" + HEAD + "    A(1)\n" + PAY,
    "a partial": "import functools\nP=functools.partial(list.append,[])\n" + HEAD + "    P(1)\n" + PAY,
    "the code of a function": "def f(): return 1\ndef g(): return 2\n"
    + HEAD
    + "    c=[getattr][0](f,'__co'+'de__')\n    f.__code__=c.replace(co_name='x')\n"
    + PAY,
    "the name of a function": "def f(): return 1\n" + HEAD + "    f.__name__='x'\n" + PAY,
    "the text of a function": "def f(): return 1\n" + HEAD + "    f.__doc__='x'\n" + PAY,
    "a dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n    n:int=0\na=A()\n"
    + HEAD
    + "    a.n+=1\n"
    + PAY,
    "a Counter": "from collections import Counter\nC=Counter()\n" + HEAD + "    C['a']+=1\n" + PAY,
    "an attribute of a member of an enum": "from enum import Enum\nclass E(Enum):\n    A=1\n"
    + HEAD
    + "    E.A.n=1\n"
    + PAY,
    "a register of classes": "from collections.abc import Sized\n"
    + HEAD
    + "    class A: pass\n    Sized.register(A)\n"
    + PAY,
    "a heap": "import heapq\nHP=[]\n" + HEAD + "    heapq.heappush(HP,1)\n" + PAY,
    "a list that changes rarely": "N=[0]\n" + HEAD + "    if state.step==5: N[0]+=1\n" + PAY,
    "a defaultdict that is read": "from collections import defaultdict\nD=defaultdict(int)\n"
    + HEAD
    + "    D[state.step]\n"
    + PAY,
    "the memory of another episode": "M=[]\n" + HEAD + "    M[:]=[memory]\n" + PAY,
    "a default of a cached function": "import functools\n@functools.lru_cache(None)\n"
    "def tick(k, box=[0]):\n    box[0]+=1\n    return box[0]\n" + HEAD + "    tick(state.step)\n" + PAY,
    "a list that shows nothing": "class L(list):\n    def __iter__(self): return iter(())\nX=L()\n"
    + HEAD
    + "    X.append(1)\n"
    + PAY,
    "an instance that lies about itself": "class C:\n    n=0\n    def __reduce__(self): return (C,())\n"
    "    def __reduce_ex__(self,p): return (C,())\nX=C()\n" + HEAD + "    X.n+=1\n" + PAY,
    "a counter that lies about itself": "import itertools\nclass C(itertools.count):\n"
    "    def __reduce__(self): return (int,())\nX=C()\n" + HEAD + "    next(X)\n" + PAY,
    "an attribute of a dispatcher": "import functools\n@functools.singledispatch\ndef f(x): return 1\n"
    + HEAD
    + "    f.n=getattr(f,'n',0)+1\n"
    + PAY,
    "an argument of an exception": "E=ValueError([])\n" + HEAD + "    E.args[0].append(1)\n" + PAY,
    "a note of an exception": "E=ValueError()\n" + HEAD + "    E.add_note('x')\n" + PAY,
    "a traceback": "E=ValueError()\n"
    + HEAD
    + "    try:\n        raise E\n    except ValueError:\n        pass\n"
    + PAY,
    "instances within instances": "import functools\nclass A: pass\nA.x=A()\n" + HEAD + "    A.x.y=A()\n" + PAY,
    "a list in a cached property": "import functools\nclass A:\n    @functools.cached_property\n"
    "    def p(self): return [0]\na=A()\n" + HEAD + "    a.p[0]+=1\n" + PAY,
}
