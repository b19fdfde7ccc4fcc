"""Start the platform; Ctrl-C stops it. The exit code is 1 where it could not start."""

import os
import sys
import time
from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured

from gofannon import env
from gofannon.embedded import UnsafeDirectoryError, runtime_dir
from gofannon.supervisor.child import Child
from gofannon.supervisor.claims import ClaimError, claim_state, listen
from gofannon.supervisor.loop import Supervisor, say
from gofannon.supervisor.programs import Stack

# Seconds. Calendars and greetings can wait; worker and web have the processors to themselves while they start.
BEAT_LATER = 3.0
GREETING_LATER = 0.8


def main() -> int:
    os.umask(0o077)  # the state holds password hashes and prompts, whatever directory it lies in
    supervisor = Supervisor()
    try:
        stack = Stack.from_environment()
        claim_state(stack.var)  # held until this process ends
        with listen(stack.host, stack.port) as listener:
            return _serve(supervisor, stack, listener.fileno())
    except (ClaimError, ImproperlyConfigured, UnsafeDirectoryError) as error:
        return _refuse(str(error))
    except PermissionError as error:
        return _refuse(f"{error.filename}: {(error.strerror or '').lower()}; does another user own it?")


def _serve(supervisor: Supervisor, stack: Stack, listener: int) -> int:
    try:
        started = _start(supervisor, stack, listener)
        if started:
            supervisor.run()
            say("stopping")
        return 0 if started or supervisor.asked else 1
    finally:
        supervisor.stop()
        with suppress(OSError):
            runtime_dir(stack.var).rmdir()


def _start(supervisor: Supervisor, stack: Stack, listener: int) -> bool:
    """Prepare the database beside Valkey, then add everything else; false where that failed or was interrupted."""
    since = time.monotonic()
    say(f"Gofannon is starting; its state is in {stack.var}")
    if not env.secret("REDIS_URL"):
        supervisor.add(Child(stack.valkey()))
    reader, writer = os.pipe()
    prepare = Child(stack.prepare(writer))
    supervisor.add(prepare)
    code = supervisor.run(until=prepare)
    os.close(writer)
    if code != 0:
        return False
    now = time.monotonic()
    supervisor.add(
        Child(stack.worker()),
        Child(stack.beat(), due=now + BEAT_LATER),
        Child(stack.web(listener)),
        Child(stack.greeting(reader, since), due=now + GREETING_LATER),
    )
    return True


def _refuse(message: str) -> int:
    sys.stderr.write(f"gofannon: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
