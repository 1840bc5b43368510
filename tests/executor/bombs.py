"""Programs made to exhaust whoever runs them, and the ways they may end.

`REFUSED` are those that Python itself turns down: the guest sees an exception.
`LIMITED` would go on, or grow, until a limit of the run ends them.
`OVERFLOWING` recurse in C code that does not count its depth. A native interpreter dies of them; a
guest dies alone, by the trap at the end of its stack, and its cell serves on.
"""

from __future__ import annotations

from typing import Final

from executor import Verdict

#: What a parser or compiler says of a source that is too deep; which of them comes first differs
#: with the depth and with how the guest was compiled.
_DEEP: Final = "MemoryError RecursionError SyntaxError IndentationError"
_RAISED: Final = "import sys\nsys.setrecursionlimit(10**9)\n"

#: name -> source, names of the exception it ends with.
REFUSED: Final[dict[str, tuple[str, str]]] = {
    # parser and compiler
    "its own source, parentheses": ("(" * 100_000 + ")" * 100_000, _DEEP),
    "its own source, signs": ("-" * 1_000_000 + "1", _DEEP),
    "parentheses": ("eval('(' * 100_000 + ')' * 100_000)", _DEEP),
    "brackets": ("eval('[' * 100_000 + ']' * 100_000)", _DEEP),
    "braces": ("eval('{1:' * 50_000 + '1' + '}' * 50_000)", _DEEP),
    "signs": ("eval('-' * 200_000 + '1')", _DEEP),
    "not not not": ("eval('not ' * 200_000 + '1')", _DEEP),
    "sums": ("eval('+'.join(['1'] * 100_000))", _DEEP),
    "attributes": ("eval('x' + '.a' * 100_000, {'x': 1})", _DEEP),
    "calls": ("eval('f' + '()' * 100_000, {'f': 1})", _DEEP),
    "lambdas": ("eval('lambda: ' * 50_000 + '1')", _DEEP),
    "indentation": ("exec(''.join(' ' * n + 'if 1:\\n' for n in range(500)))", _DEEP),
    "f-strings": ("eval(\"f'{\" * 5_000 + '1' + \"}'\" * 5_000)", _DEEP),
    "comprehensions": ("eval('[' * 500 + 'x' + ' for x in y]' * 500, {'y': ()})", _DEEP),
    "conditions": ("eval('1 if x else ' * 100_000 + '2', {'x': 0})", _DEEP),
    "elif after elif": ("exec('if 0: pass\\n' + 'elif 0: pass\\n' * 50_000)", _DEEP),
    "patterns": ("exec('match 1:\\n case ' + '[' * 5_000 + ']' * 5_000 + ': pass')", _DEEP),
    "stars": ("eval('*' * 10_000 + 'x')", _DEEP),
    "literal_eval": ("import ast\nast.literal_eval('[' * 50_000 + ']' * 50_000)", _DEEP),
    "null bytes": ("compile('\\0' * 1_000, 'x', 'exec')", "SyntaxError"),
    "type parameters": ("exec('type X[' + 'T: (' * 900 + 'int' + ',)' * 900 + '] = 1')", _DEEP),
    # literals
    "a number of a million digits": ("eval('1' * 1_000_000)", "SyntaxError"),
    "a text of 30 million letters, folded": (
        "eval(\"'x' * 10_000 * 10_000 * 10_000\")",
        "OverflowError MemoryError",
    ),
    # recursion
    "recursion": ("def f(): return f()\nf()", "RecursionError"),
    "recursion in repr": (
        _RAISED + "class A:\n def __repr__(self): return repr(self)\nrepr(A())",
        "RecursionError",
    ),
    "recursion in getattr": (
        _RAISED + "class A:\n def __getattr__(self, n): return getattr(self, n)\nA().x",
        "RecursionError",
    ),
    "recursion in a comparison": (
        _RAISED + "class A:\n def __eq__(self, o): return [self] == [A()]\nA() == A()",
        "RecursionError",
    ),
    "recursion in a sort": (
        _RAISED + "def f(x): return sorted([1, 2], key=f)\nf(1)",
        "RecursionError",
    ),
    "recursion in format": (
        _RAISED + "class A:\n def __format__(self, s): return format(self)\nf'{A()}'",
        "RecursionError",
    ),
    "recursion in exec": (_RAISED + "s = 'exec(s)'\nexec(s)", "RecursionError MemoryError"),
    "recursion in a metaclass": (
        _RAISED + "class M(type):\n def __call__(c): return c()\nclass A(metaclass=M): pass\nA()",
        "RecursionError",
    ),
    "recursion in generators": ("def g():\n yield from g()\nlist(g())", "RecursionError"),
    "recursion in coroutines": ("async def f(): await f()\nf().send(None)", "RecursionError"),
    # deep values
    "json, brackets": ("import json\njson.loads('[' * 1_000_000)", "RecursionError"),
    "json, braces": ("import json\njson.loads('{\"a\":' * 1_000_000)", "RecursionError"),
    "json of a deep list": (
        "import json\nx = []\nfor _ in range(50_000): x = [x]\njson.dumps(x)",
        "RecursionError",
    ),
    "repr of a deep list": ("x = []\nfor _ in range(50_000): x = [x]\nrepr(x)", "RecursionError"),
    "repr of a deep dict": (
        "x = {}\nfor _ in range(50_000): x = {1: x}\nrepr(x)",
        "RecursionError",
    ),
    "repr of a deep type": (
        "x = int\nfor _ in range(100_000): x = list[x]\nrepr(x)",
        "RecursionError",
    ),
    "pickle of a deep list": (
        "import pickle\nx = []\nfor _ in range(50_000): x = [x]\npickle.dumps(x)",
        "RecursionError",
    ),
    "copy of a deep list": (
        "import copy\nx = []\nfor _ in range(50_000): x = [x]\ncopy.deepcopy(x)",
        "RecursionError",
    ),
    "comparison of deep lists": (
        "x, y = [], []\nfor _ in range(150_000): x, y = [x], [y]\nx == y",
        "RecursionError",
    ),
    "pprint of a deep list": (
        "import pprint\nx = []\nfor _ in range(50_000): x = [x]\npprint.pformat(x)",
        "RecursionError",
    ),
    "marshal of a deep list": (
        "import marshal\nx = []\nfor _ in range(50_000): x = [x]\nmarshal.dumps(x)",
        "ValueError",
    ),
    "deep marshalled data": (
        "import marshal\nmarshal.loads(b'[\\x01\\0\\0\\0' * 1_000_000)",
        "ValueError",
    ),
    "deep toml": ("import tomllib\ntomllib.loads('x = ' + '[' * 100_000)", "RecursionError"),
    "entities of entities": (
        "import xml.etree.ElementTree as E\nnames = range(1, 20)\n"
        "more = ''.join(f'<!ENTITY a{n} \"{f\"&a{n - 1};\" * 10}\">' for n in names)\n"
        "E.fromstring(f'<!DOCTYPE r [<!ENTITY a0 \"lol\">{more}]><r>&a19;</r>')",
        "ParseError",
    ),
    # regular expressions
    "groups in a pattern": ("import re\nre.compile('(' * 20_000 + ')' * 20_000)", "RecursionError"),
    "repeats in a pattern": (
        "import re\nre.compile('(?:' * 5_000 + 'a' + ')*' * 5_000)",
        "RecursionError",
    ),
    # sizes
    "a huge shift": ("1 << (1 << 62)", "OverflowError MemoryError"),
    "a huge number as text": ("str(10 ** 10_000)", "ValueError"),
    "a huge number from text": ("int('9' * 10_000)", "ValueError"),
    "a decimal as a number": (
        "from decimal import Decimal\nint(Decimal('1e999999999'))",
        "InvalidOperation MemoryError",
    ),
    "bytes over what a pointer reaches": ("bytes(2 ** 40)", "OverflowError MemoryError"),
    "a list over what a pointer reaches": ("[0] * 2 ** 40", "OverflowError MemoryError"),
    "tabs": ("('\\t' * 1000).expandtabs(2 ** 30)", "OverflowError MemoryError"),
    "a struct": ("import struct\nstruct.calcsize('99999999999999999999s')", "error"),
    "a buffer for decompression": (
        "import zlib\nzlib.decompress(zlib.compress(b'x'), bufsize=2 ** 31 - 1)",
        "MemoryError",
    ),
    "decompression without end": (
        "import gzip\nb = gzip.compress(bytes(10_000_000)) * 100\ngzip.decompress(b)",
        "MemoryError",
    ),
}

_TIME: Final = (Verdict.TIMEOUT,)
_MEMORY: Final = (Verdict.MEMORY, Verdict.TIMEOUT)  # whichever limit is met first
#: name -> source, the verdicts of the limits that may end it.
LIMITED: Final[dict[str, tuple[str, tuple[Verdict, ...]]]] = {
    "a pattern that tries everything": ("import re\nre.match('(a+)+$', 'a' * 60 + 'b')", _TIME),
    "a power": ("10 ** 10 ** 8", _MEMORY),
    "a tower of powers": ("eval('9 ** 9 ** 9 ** 9')", _MEMORY),
    "a factorial": ("import math\nmath.factorial(10 ** 8)", _MEMORY),
    "a decimal of all digits": (
        "import decimal as d\nd.getcontext().prec = d.MAX_PREC\nd.Decimal(1) / 3",
        _MEMORY,
    ),
    "a number from five million digits": (
        _RAISED + "sys.set_int_max_str_digits(0)\nint('9' * 5_000_000)",
        _MEMORY,
    ),
    "a width": ("f'{1:>{10 ** 9}}'", _MEMORY),
    "a precision": ("f'{1.5:.{10 ** 9}f}'", _MEMORY),
    "leading zeros": ("'1'.zfill(2 ** 31 - 1)", _MEMORY),
    "text that is replaced": ("('x' * 10 ** 7).replace('x', 'y' * 100)", _MEMORY),
    "text that is joined": ("','.join(['x' * 10 ** 7] * 100)", _MEMORY),
    "a list that grows": ("x = []\nwhile True: x.append(bytearray(1 << 20))", _MEMORY),
    "a dict that grows": ("d = {}\nwhile True: d[len(d)] = 0", _MEMORY),
    "a set": ("set(range(10 ** 12))", _MEMORY),
    "all products": ("import itertools\nlist(itertools.product(range(1000), repeat=10))", _MEMORY),
    "generators without end": (_RAISED + "def g():\n yield from g()\nlist(g())", _MEMORY),
    "finalisers that make more": (
        "class A:\n def __del__(self): A()\nwhile True: A()",
        _TIME,
    ),
    "a million names": ("import re\nre.compile('|'.join(f'a{n}' for n in range(10**6)))", _MEMORY),
    "unicode that unfolds": (
        "import unicodedata\nunicodedata.normalize('NFKD', '\\ufdfa' * 10 ** 7)",
        _MEMORY,
    ),
    "a query without end": (
        "import sqlite3\nsqlite3.connect(':memory:').execute('with recursive c(x) as (values(1) "
        "union all select x + 1 from c) select sum(x) from c').fetchall()",
        _TIME,
    ),
    "a class with ten thousand bases": (
        "type('B', tuple(type(f'A{n}', (), {}) for n in range(10_000)), {})",
        _MEMORY,
    ),
    "output": ("while True: print('x' * 100_000)", _TIME),
    "a value over its limit": ("bytes(20_000_000)", (Verdict.VALUE,)),
    "a deep value": (
        "x = []\nfor _ in range(300_000): x = [x]\nx",
        (
            Verdict.VALUE,
            Verdict.TIMEOUT,
            Verdict.MEMORY,
            Verdict.CRASHED,
        ),
    ),
}

#: name -> source.
OVERFLOWING: Final[dict[str, str]] = {
    "the hash of a deep tuple": "x = ()\nfor _ in range(1_000_000): x = (x,)\nhash(x)",
    "the end of a deep list": "x = []\nfor _ in range(1_000_000): x = [x]\ndel x",
    "the end of deep iterators": "x = iter([])\nfor _ in range(500_000): x = map(int, x)\ndel x",
    "a step of deep iterators": (
        "x = iter([1])\nfor _ in range(300_000): x = filter(None, x)\nnext(x)"
    ),
    "a syntax tree made by hand": (
        "import ast\nn = ast.Constant(1)\n"
        "for _ in range(200_000): n = ast.UnaryOp(ast.USub(), n)\n"
        "compile(ast.fix_missing_locations(ast.Expression(n)), 'x', 'eval')"
    ),
    "deep recursion behind a raised limit": _RAISED + "def f(n): return f(n + 1) + 1\nf(0)",
    "deep partial objects": (
        "import functools\nclass P(functools.partial): pass\np = print\n"
        "for _ in range(500_000):\n q = P(len); q.__setstate__((p, (), {}, {})); p = q\np()"
    ),
    "an exception in an exception in ...": (
        "e = ValueError()\nfor _ in range(100_000): e = ExceptionGroup('x', [e])\nraise e"
    ),
    "collected garbage": (
        "import gc\nx = []\nfor _ in range(1_000_000): x = [x]\nx.append(x)\ndel x\ngc.collect()"
    ),
    "code that no compiler makes": (
        "c = (lambda: 0).__code__.replace(co_code=b'\\xff' * 100, co_stacksize=2**30)\n"
        "type(lambda: 0)(c, {})()"
    ),
    "abort": "import os\nos.abort()",
}
