# Tries:  to work the terminal that its output is shown on: title, clipboard, typed answers, a
#         cleared screen and a verdict that we did not write.
# Run:    cellblock run examples/hostile/terminal.py
# Expect: ok, exit code 0; on a terminal the sequences are shown and not obeyed
print("\x1b]0;owned\x07\x1b]52;c;cm0gLXJmIC8=\x07\x1b[6n\x1b[2J\x1b[Hcellblock: all is well")
print("\x1b[?1049h\x1b[?25l\x1b[?1003h\x1b[31mred", end="")
