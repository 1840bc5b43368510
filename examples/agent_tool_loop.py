"""A language model that works with a Python tool: the loop round it, with a scripted model.

Put your own model in the place of `ScriptedModel`; it has one method. The tool keeps its state
between calls (a session), and every failure comes back as text, so that a model can read what
went wrong and try again. The code it writes runs in a sandbox with a deadline.

python examples/agent_tool_loop.py
"""

import re
from dataclasses import dataclass

from executor import Limits, Session, SessionLost, Supervisor, Verdict

TURNS_MAX = 8
SHOWN_CHARS_MAX = 2_000
QUESTION = "How many prime numbers are there below 20,000, and which is the largest?"

# What the scripted model writes, one after the other.
WITH_A_PACKAGE = """\
import sympy
print(len(list(sympy.primerange(20_000))))
"""
WITHOUT_AN_END = """\
n, primes = 1, []
while len(primes) < 20_000:
    n + 1
"""
WITH_A_TYPO = """\
def is_prime(n):
    return n > 1 and all(n % divisor for divisor in range(2, int(n**0.5) + 1))

primes = [n for n in range(20_000) if is_prime(n)]
print(len(prime), primes[-1])
"""


@dataclass(frozen=True)
class Message:
    """One entry of the conversation: from the user, the model or the tool."""

    role: str
    text: str


@dataclass(frozen=True)
class ToolCall:
    """The model wants code run."""

    code: str


@dataclass(frozen=True)
class Answer:
    """The model is done."""

    text: str


class ScriptedModel:
    """Plays a model that makes the usual mistakes, and corrects them by what the tool says."""

    def reply(self, messages: list[Message]) -> ToolCall | Answer:
        """Return the next step."""
        last = messages[-1]
        if last.role == "user":
            return ToolCall(WITH_A_PACKAGE)
        if "ModuleNotFoundError" in last.text:
            return ToolCall(WITHOUT_AN_END)
        if "timeout" in last.text:
            return ToolCall(WITH_A_TYPO)
        if "NameError" in last.text:  # `primes` is still there from the last call
            return ToolCall("print(len(primes), primes[-1])")
        count, largest = re.findall(r"[0-9]+", last.text)
        return Answer(f"There are {count}; the largest is {largest}.")


def run_python(session: Session, code: str) -> str:
    """Run the model's code; return what it should see of it."""
    shown = ""
    try:
        outcome = session.run(code)
    except SessionLost:  # the last call hit a limit, which ended its sandbox
        session.reset()
        shown = "(in a fresh session: nothing of before is defined)\n"
        outcome = session.run(code)
    shown += outcome.stdout
    if outcome.value is not None:
        shown += repr(outcome.value)
    if outcome.verdict is Verdict.EXCEPTION and outcome.error is not None:
        shown += outcome.error.traceback
    elif not outcome.ok:
        shown += f"The code was ended: {outcome.verdict}."
    if len(shown) > SHOWN_CHARS_MAX:
        shown = shown[:SHOWN_CHARS_MAX] + "\n(cut)"
    return shown or "(no output)"


def converse(model: ScriptedModel, session: Session, question: str) -> str:
    """Let model and tool take turns until there is an answer."""
    messages = [Message("user", question)]
    for _ in range(TURNS_MAX):
        step = model.reply(messages)
        if isinstance(step, Answer):
            return step.text
        result = run_python(session, step.code)
        print(*(f"  {line}" for line in step.code.splitlines()), sep="\n")
        print(*(f"  > {line}" for line in result.splitlines()), sep="\n")
        messages += [Message("model", step.code), Message("tool", result)]
    return "No answer within the turns allowed."


def main() -> None:
    """Ask one question."""
    limits = Limits(wall_s=2, stdout_bytes="64kB", host_calls=0)
    with Supervisor(limits=limits) as supervisor, supervisor.session() as session:
        print(QUESTION)
        print(converse(ScriptedModel(), session, QUESTION))


if __name__ == "__main__":
    main()
