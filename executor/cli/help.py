"""The help texts. Each fits a screen of 24 lines and 80 columns; tests hold them to that.

They are written by hand, as no generator sets the pairs of short options in two columns; a test
holds them to name every flag of `executor.cli.flags`.
"""

from __future__ import annotations

MAIN = """\
cellblock runs code that its host does not trust, with hard limits and nothing
else reachable.

Usage: cellblock COMMAND [OPTIONS]

  run         run a Python script or a WASI program once
  repl        an interactive Python session in a sandbox
  worker      run what others submit over NATS, on this machine
  submit      run a Python script once, on another machine
  workers     list the machines that run what is submitted
  image       build, list and prune prebuilt images with packages
  doctor      say what this machine gives, what is missing, and how to get it
  audit       attack the sandboxes here and say which promises hold
  schema      print the JSON Schema of the protocol
  completion  print shell completion for bash, zsh, fish or tcsh

  --version   print the version
  -h, --help  show this help; cellblock COMMAND --help shows that of a command

Examples:
  cellblock run script.py --timeout 2
  cellblock run -c 'print(sum(xs))' --input xs='[1, 2, 3]'
  cellblock repl -v ./data:/data:ro
"""

RUN = """\
Usage: cellblock run [OPTIONS] FILE | -c CODE | - | PROGRAM.wasm  [--] [ARGS]

  --timeout SECONDS    wall time (30)      --stdout-limit SIZE  output (1MiB)
  --memory SIZE        memory (128MiB)     --stderr-limit SIZE  errors (1MiB)
  --fuel COUNT         Wasm instructions   --value-limit SIZE   result (16MiB)
  -v SRC:DST[:ro]      give a directory    --files-limit SIZE   written (16MiB)
  --file NAME[=PATH]   give a file's copy  --out DIR            keep its files
  -e, --env NAME[=VALUE]  set a variable   --input NAME=JSON    set a global
  --image IMAGE        a prebuilt image    --result NAME        global to show
  --kind KIND          wasm (default), process or interpreter: native Python
  --preload NAME       import it first (native)   --jail full | light | none
  -q, --quiet          no verdict line     --json  all of the outcome as JSON
  --no-stdin           no standard input   --raw   terminal escapes as they are

Options may follow FILE; the script's own options stand after --. A variable
such as CELLBLOCK_TIMEOUT=2 sets an option for each run; the flag wins.
Exit code: the guest's, or 1 uncaught exception, 2 usage, 120 files, 121 host
calls, 122 result, 123 fuel, 124 timeout, 125 cellblock failed, 130 Ctrl-C,
134 crash, 137 memory, 141 output closed, 143 SIGTERM.
Examples:
  cellblock run script.py --timeout 2 --memory 64MB -v ./data:/data:ro
  echo 'print(6 * 7)' | cellblock run -
  cellblock run prog.wasm -- --verbose
"""

REPL = """\
Usage: cellblock repl [OPTIONS]

An interactive Python session in a sandbox. Each input is a run of its own with
the limits given here; names live on until :reset or the end of the sandbox.

  --timeout SECONDS       wall time of one input (30)
  --memory SIZE           memory (128MiB)
  --fuel COUNT            Wasm instructions of one input
  -v SRC:DST[:ro]         give a directory
  --file NAME[=PATH]      give a copy of a file
  -e, --env NAME[=VALUE]  set an environment variable
  --input NAME=JSON       set a global
  --image IMAGE           a prebuilt image
  --kind KIND             wasm (default), process or interpreter: native Python
  --preload NAME          a module to import first (native)
  --stdout-limit, --stderr-limit, --value-limit, --files-limit SIZE
  --jail WALLS            kernel walls: full (default), light or none
  -q, --quiet             no greeting      --raw  terminal escapes as they are

Ctrl-C ends what runs and keeps the session's prompt, Ctrl-D leaves.
Examples:
  cellblock repl
  cellblock repl --timeout 5 -v ./data:/data:ro
"""

IMAGE = """\
Usage: cellblock image build | list | prune

An image is the guest's Python with packages of your choice inside, built once.

  build [PACKAGE...]  build one with these requirements (also -p, --package)
    --name NAME       call it this, for cellblock run --image NAME
    --preimport NAME  import a module at build time, so that runs find it loaded
    --optimize        merge and optimise it: 2 minutes, needs Node and npm
    -q, --quiet       print the image's key alone, without progress
  list                what is in the cache       --json  as JSON
  prune               delete what no longer fits --all   and everything else
    -q, --quiet       print nothing

Examples:
  cellblock image build --optimize
  cellblock image build --name dates 'python-dateutil>=2.9' --preimport dateutil
  cellblock run script.py --image dates
  cellblock run script.py --image 'attrs>=24 python-dateutil'
"""

DOCTOR = """\
Usage: cellblock doctor [--json]

Tries every wall on this machine and says what is missing, which guarantees it
costs, how to get it, and which jails can be made. --json: as one JSON object.
Exit code: 0 if the full jail works, else 1.
Examples:
  cellblock doctor
  cellblock doctor --json | jq .jails
"""

AUDIT = """\
Usage: cellblock audit [OPTIONS]

Attacks the sandboxes as they are on this machine, some hundred times, and says
which guarantees hold. Each attack is first seen to bite where its wall is not.

  --kind KIND    wasm (default), process, interpreter or all of them
  --only NAMES   only these guarantees, such as files,network
  --attack ID    only this attack; may be repeated
  --attacks DIR  also the attacks of a folder of your own
  --jail KIND    kernel walls: full (default), light or none
  --without WALL leave a wall out, to see that the audit notices; repeatable
  --list         list the attacks     --json        print all of it as JSON
  --html FILE    write a report       --junit FILE  the same for a CI
  -q, --quiet    no progress

Exit code: 0 all holds, 1 a guarantee is broken or unproven, 2 usage, 125 the
audit itself failed.
Examples:
  cellblock audit
  cellblock audit --only files,network --html report.html
  cellblock audit --attack files.mount_climb --json
"""

SCHEMA = """\
Usage: cellblock schema

Prints the JSON Schema of the messages between host, supervisor and cells.
Example:
  cellblock schema > protocol.schema.json
"""

COMPLETION = """\
Usage: cellblock completion bash | zsh | fish | tcsh

Prints the shell's completion script for cellblock.
Examples:
  eval "$(cellblock completion bash)"
  cellblock completion zsh > ~/.zfunc/_cellblock
  cellblock completion fish > ~/.config/fish/completions/cellblock.fish
"""

WORKER = """\
Usage: cellblock worker [OPTIONS]

Takes runs from a queue on NATS JetStream and runs them here, under these limits
as ceilings. Needs: pip install 'cellblock[nats]'. See docs/scale-out.md.

  --nats URL[,URL]     the servers         --queue NAME         which (default)
  --user NAME          our name            --password-file FILE
  --token-file FILE    or a token          --creds, --nkey FILE  or a key
  --tls-ca, --tls-cert, --tls-key FILE     certificates for tls://
  --cells COUNT        at once (CPUs)      --slots COUNT        at hand (2x)
  --lease SECONDS      silent for so long, it loses its runs (10; same for all)
  --give-up SECONDS    no connection for so long, it ends (600)
  --drain SECONDS      at SIGTERM runs may go on for so long (30)
  --isolate KIND       interpreter, or process (which ws:// needs)
  --timeout, --memory, --fuel, --stdout-limit, --stderr-limit, --value-limit,
  --files-limit        ceilings, see run   --image IMAGE        for all runs
  --jail KIND          full, light, none   -q, --quiet          say nothing

Ctrl-C or SIGTERM drains: ends what goes on, hands back the rest. A second one
ends at once. Exit code: 0 when drained, 125 when it gave up, with the reason.
Example:
  cellblock worker --nats nats://hub:4222 --cells 4 --timeout 60
"""

SUBMIT = """\
Usage: cellblock submit [OPTIONS] FILE | -c CODE | -  [--] [ARGS]

What cellblock run does, on another machine that serves the queue. Streams,
result and exit codes are those of run.

  --nats URL[,URL]     NATS servers        --queue NAME   which machines
  --creds FILE         JWT and seed        --nkey FILE    seed alone
  --token-file FILE    a token             --user NAME, --password-file FILE
  --tls-ca FILE        whom to trust       --tls-cert FILE, --tls-key FILE
  --tenant NAME        on whose behalf     --queue-timeout SECONDS  to wait
  --no-repeat          if its machine is lost, fail instead of beginning again
  --timeout SECONDS, --memory SIZE, --fuel COUNT, --stdout-limit SIZE,
  --stderr-limit SIZE, --value-limit SIZE, --files-limit SIZE
  --file NAME[=PATH]   give a file's copy  --out DIR      keep its files
  -e, --env NAME[=VALUE]  set a variable   --input NAME=JSON  set a global
  --result NAME        global to show      --json  all of the outcome as JSON
  -q, --quiet          no verdict line     --raw   terminal escapes as they are
  --no-stdin           no standard input; else it is sent whole, with the run
Example:
  cellblock submit script.py --nats nats://hub:4222 --timeout 2
"""

WORKERS = """\
Usage: cellblock workers [OPTIONS]

Lists the machines that run what is submitted: state, load, and how late their
heartbeats are (99th percentile). Exit code: 0 if there is one, else 1.

  --nats URL[,URL]     NATS servers        --queue NAME   of this queue alone
  --creds FILE         JWT and seed        --nkey FILE    seed alone
  --token-file FILE    a token             --user NAME, --password-file FILE
  --tls-ca FILE        whom to trust       --tls-cert FILE, --tls-key FILE
  --json               as a JSON array     --watch        again every second
Examples:
  cellblock workers --nats nats://hub:4222
  cellblock workers --watch
"""

TEXTS = {
    "": MAIN,
    "run": RUN,
    "repl": REPL,
    "worker": WORKER,
    "submit": SUBMIT,
    "workers": WORKERS,
    "image": IMAGE,
    "image build": IMAGE,
    "image list": IMAGE,
    "image prune": IMAGE,
    "doctor": DOCTOR,
    "audit": AUDIT,
    "schema": SCHEMA,
    "completion": COMPLETION,
}
