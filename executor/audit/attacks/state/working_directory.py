"""Leave a file in the working directory"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-459", "CWE-377"),
    walls=(Limit.FRESH,),
    options={"keep_files": True},
    guest="""
import os

with open(os.getcwd() + "/left", "w") as file:
    file.write("by another run")
""",
    then="""
import os

if os.path.exists(os.getcwd() + "/left"):
    print(target["claim"])
""",
)
