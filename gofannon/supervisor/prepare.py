"""One short process before the others: the newest tables, the first user, the demo agent.

Migration and bootstrap share it, because loading Django is most of what either costs.
"""

import io
import os
import sys

import django
from django.core.management import call_command


def main(credentials: int) -> None:
    """Write the bootstrap's JSON line to the file descriptor `credentials`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gofannon.settings")
    django.setup()
    call_command("migrate", interactive=False, verbosity=1, stdout=sys.stderr)
    line = io.StringIO()
    call_command("bootstrap", "--json", stdout=line)
    with os.fdopen(credentials, "w", encoding="utf-8") as pipe:
        pipe.write(line.getvalue())


if __name__ == "__main__":
    main(int(sys.argv[1]))
