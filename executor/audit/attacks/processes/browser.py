"""Run a program of the host as the user's browser"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78",),
    guest="""
import webbrowser

webbrowser.GenericBrowser(["touch", "%s"]).open(target["dir"] + "/made")
""",
)
