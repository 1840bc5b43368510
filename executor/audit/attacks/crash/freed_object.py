"""Use an object after making the interpreter free it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-416", "CWE-415"),
    guest="""
import ctypes

item = [1, 2, 3]
ctypes.pythonapi.Py_DecRef(ctypes.py_object(item))
ctypes.pythonapi.Py_DecRef(ctypes.py_object(item))
ctypes.memset(id(item), 0x41, 40)
repr(item)
""",
)
