"""Register a codec that the next run decodes by"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
import codecs

known = codecs.lookup("utf-8")
codecs.register(lambda name: known if name == "planted" else None)
""",
    then="""
import codecs

try:
    codecs.lookup("planted")
except LookupError:
    pass
else:
    print(target["claim"])
""",
)
