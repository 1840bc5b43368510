# Tries:  to sit out its deadline in a host function that does not answer.
# Run:    Supervisor.run(code, functions={"wait": forever}, limits=Limits(wall_s=0.5))
# Expect: timeout
import host

print("waiting", flush=True)
host.wait()
