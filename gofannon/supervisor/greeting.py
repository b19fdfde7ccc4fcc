"""What the terminal shows once the platform is up: a demo run, the address, the login, a command to copy."""

import json
import os
import shlex
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from gofannon import env
from gofannon.supervisor.loop import say
from gofannon.supervisor.programs import Stack

AGENT = "word-count"
PATIENCE = 120.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on


class Api:
    """The platform's API over the loopback, on one connection a call."""

    def __init__(self, stack: Stack) -> None:
        self.host = _EVERYWHERE.get(stack.host, stack.host)
        self.port = stack.port
        self.headers: dict[str, str] = {}

    @property
    def address(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def call(self, method: str, path: str, document: Any = None, **headers: str) -> tuple[int, Any]:
        """The status and the JSON of the answer. Raises OSError, HTTPException; ValueError if not JSON."""
        connection = HTTPConnection(self.host, self.port, timeout=30)
        try:
            body = None if document is None else json.dumps(document)
            fields = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body, {**fields, **self.headers, **headers})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            try:
                return answer.status, json.loads(text)
            except ValueError as error:
                raise ValueError(f"{answer.status} {text[:200]}") from error
        finally:
            connection.close()


def main(credentials: int, since: float) -> None:
    """Greet. The bootstrap's JSON line comes from the file descriptor `credentials`; the start began at `since`."""
    with os.fdopen(credentials, encoding="utf-8") as pipe:
        login = json.loads(pipe.read())
    stack = Stack.from_environment()
    api = Api(stack)
    if env.boolean("GOFANNON_PRODUCTION", default=False):
        say("Gofannon has started for production: no demo run.")
    else:
        problem = _wait_until_ready(api)
        took = time.monotonic() - since
        say(f"Gofannon is ready after {took:.1f} s." if not problem else f"Not ready after {took:.0f} s: {problem}")
        if not problem:
            say(f"  demo    {_demo(api, Path(login['access_key_file']))}")
    _explain(api, stack, login)


def _wait_until_ready(api: Api) -> str:
    """Nothing once `/ready` answers 200; else what it said last."""
    problem = "no answer"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            status, document = api.call("GET", "/ready")
        except (OSError, HTTPException, ValueError) as error:
            problem = str(error) or type(error).__name__
        else:
            if status == 200:
                return ""
            problem = json.dumps(document)
        time.sleep(0.05)
    return problem


def _demo(api: Api, key_file: Path) -> str:
    """One sentence on the run of the demo agent over this project's own README, as a ticket."""
    readme = env.BASE_DIR / "README.md"
    try:
        text = readme.read_text(encoding="utf-8")
        api.headers["Authorization"] = f"Bearer {key_file.read_text(encoding='utf-8').strip()}"
        started = time.monotonic()
        status, ticket = api.call("POST", f"/api/agents/{AGENT}/run", {"input": {"text": text}}, Prefer="respond-async")
        if status != 202:
            return f"{AGENT} was refused ({status}): {json.dumps(ticket)}"
        document = _finished(api, ticket["ticket_id"])
    except (OSError, HTTPException, ValueError) as error:
        return f"{AGENT} could not be run: {error}"
    took = time.monotonic() - started
    if document.get("status") != "completed":
        return f"{AGENT} did not complete: {json.dumps(document.get('error'))} (ticket {ticket['ticket_id']})"
    found = _brief(document["result"]["output"])
    return f"{AGENT} read {readme.name}: {found} ({took:.2f} s, ticket {ticket['ticket_id']})"


def _finished(api: Api, ticket: str) -> dict[str, Any]:
    """The ticket's document once it has ended, or as it stands after 30 seconds."""
    deadline = time.monotonic() + 30
    while True:
        _, document = api.call("GET", f"/api/tickets/{ticket}")
        if document.get("status") in ("completed", "failed") or time.monotonic() > deadline:
            return dict(document)
        time.sleep(0.02)


def _brief(output: Any) -> str:
    """What the demo agent found, in words; whatever another agent under its name answered, as it is."""
    match output:
        case {"words": int(words), "sentences": int(sentences), "top": [*top]}:
            often = ", ".join(" ".join(str(part) for part in entry) for entry in top[:5])
            return f"{words} words, {sentences} sentences, top: {often}"
        case _:
            return json.dumps(output, ensure_ascii=False)


def _explain(api: Api, stack: Stack, login: dict[str, Any]) -> None:
    password = login["admin_password"]
    secret = f"password {password}  (shown this once)" if password else "password as before"
    say(f"  admin   {api.address}/admin/  user {login['admin_username']}, {secret}")
    say(f"  API     {api.address}/api/docs")
    say(
        f'  try     curl -s {api.address}/api/agents/{AGENT}/run -H "Content-Type: application/json" \\\n'
        f'            -H "Authorization: Bearer $(cat {shlex.quote(login["access_key_file"])})" \\\n'
        '            -d \'{"input": {"text": "the hammer, the anvil and the fire"}}\''
    )
    say(f"  logs    {stack.var / 'log'}\n  stop    Ctrl-C")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
