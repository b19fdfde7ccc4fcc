from tests.agents.sandbox.support import run


def test_it_captures_what_is_printed(runtime: str) -> None:
    assert run("print('module')\ndef handler(event):\n    print('a', 1)", runtime=runtime).stdout == "module\na 1\n"


def test_it_captures_stderr_too(cpython: None) -> None:
    code = "import sys\ndef handler(event):\n    print('a')\n    sys.stderr.write('b\\n')\n    print('c', end='')"
    assert run(code).stdout == "a\nb\nc"


def test_it_keeps_the_output_of_a_failed_run(runtime: str) -> None:
    assert run("def handler(event):\n    print('before')\n    return 1 / 0", runtime=runtime).stdout == "before\n"


def test_it_keeps_the_output_of_a_killed_run(runtime: str) -> None:
    code = "def handler(event):\n    print('before')\n    while True: pass"
    assert run(code, runtime=runtime, wall_seconds=0.3).stdout == "before\n"


def test_it_keeps_output_up_to_the_limit(runtime: str) -> None:
    outcome = run("def handler(event):\n    print('x' * 100000)", runtime=runtime, stdout_bytes=100)
    assert outcome.stdout == "x" * 100


def test_it_survives_bytes_that_are_no_text(cpython: None) -> None:
    assert run("import os\ndef handler(event):\n    os.write(1, b'\\xff')").stdout == "\ufffd"
