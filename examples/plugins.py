"""A host application with plugins that anybody may write.

A plugin is a script in a folder that defines `transform(text)`. The application keeps what good
plugins do and reports bad ones; none of them can hurt it, see its files or hold it up for longer
than its deadline.

python examples/plugins.py [FOLDER]
"""

import sys
from pathlib import Path

from executor import Limits, Supervisor, Verdict

FOLDER = Path(__file__).with_name("plugins")
LIMITS = Limits(wall_s=1, memory_bytes="64MB", value_bytes="1MB", host_calls=0, files_bytes=0)
CALL = "\n\ntransform(text)\n"  # its value is the value of the run
DOCUMENT = """\
# Bread
Flour, water, salt, time.
# Butter
Cream, patience."""


def apply(supervisor: Supervisor, plugin: Path, text: str) -> tuple[str, str]:
    """Return the text after `plugin` had it, and a word on how that went."""
    outcome = supervisor.run(
        plugin.read_text() + CALL, filename=plugin.name, inputs={"text": text}, limits=LIMITS
    )
    if outcome.verdict is Verdict.EXCEPTION and outcome.error is not None:
        return text, outcome.error.name
    if not outcome.ok:
        return text, str(outcome.verdict)
    if not isinstance(outcome.value, str):
        return text, f"gave {type(outcome.value).__name__}, not text"
    return outcome.value, "ok" if outcome.value != text else "no change"


def main() -> None:
    """Pass a document through every plugin of a folder."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    text = DOCUMENT
    with Supervisor() as supervisor:
        for plugin in sorted(folder.glob("*.py")):
            text, how = apply(supervisor, plugin, text)
            print(f"{plugin.stem:10}{how}")
    print("---", text, sep="\n")


if __name__ == "__main__":
    main()
