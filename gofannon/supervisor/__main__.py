"""Start the platform; Ctrl-C stops it. The exit code is 1 where it could not start."""

import os
import sys
import time

from django.core.exceptions import ImproperlyConfigured

from gofannon import env
from gofannon.embedded import UnsafeDirectoryError
from gofannon.supervisor.child import Child, Program
from gofannon.supervisor.claims import ClaimError, claim_state, listen
from gofannon.supervisor.loop import Supervisor, say
from gofannon.supervisor.programs import Stack


def main() -> int:
    supervisor = Supervisor()
    try:
        stack = Stack.from_environment()
        lock = claim_state(stack.var)
        listener = listen(stack.host, stack.port)
        code = _serve(supervisor, stack, listener.fileno())
    except (ClaimError, ImproperlyConfigured, UnsafeDirectoryError) as error:
        return _refuse(str(error))
    except PermissionError as error:
        return _refuse(f"{error.filename}: {(error.strerror or '').lower()}; does another user own it?")
    finally:
        if supervisor.children and supervisor.asked:
            say("stopping")
        supervisor.stop()
    listener.close()
    os.close(lock)
    return code


def _serve(supervisor: Supervisor, stack: Stack, listener: int) -> int:
    since = time.monotonic()
    if not env.secret("REDIS_URL"):
        supervisor.add(Child(stack.valkey()))
    reader, writer = os.pipe()
    prepare = Child(stack.prepare(writer))
    supervisor.add(prepare)
    code = supervisor.run(until=prepare)
    os.close(writer)
    if code:
        say(f"the database could not be prepared; see {prepare.program.log}")
        return 1
    programs: list[Program] = [stack.worker(), stack.beat(), stack.web(listener), stack.greeting(reader, since)]
    supervisor.add(*(Child(program) for program in programs))
    supervisor.run()
    return 0


def _refuse(message: str) -> int:
    sys.stderr.write(f"gofannon: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
