import os
from collections.abc import Iterator

import pytest

from agents import sandbox


@pytest.fixture(scope="session", autouse=True)
def _sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    sandbox.configure(cache_dir=tmp_path_factory.mktemp("sandbox"))
    yield
    sandbox.close()


def _need(runtime: sandbox.Runtime) -> None:
    status = sandbox.verify(runtime)
    if status.available:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{runtime} must work in CI: {status.reason}")
    pytest.skip(f"{runtime} is not available on this machine: {status.reason}")


@pytest.fixture(params=["cpython", "monty"])
def runtime(request: pytest.FixtureRequest) -> str:
    _need(request.param)
    return str(request.param)


@pytest.fixture
def cpython() -> None:
    _need("cpython")


@pytest.fixture
def monty() -> None:
    _need("monty")
