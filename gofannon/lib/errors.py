"""The errors that callers see. Each has a stable `code`, one human sentence and, where a field is to blame, its path.

ApiError (400)
├── FieldErrors (400)          several fields at once
├── NotFound (404)
├── Conflict (409)
│   └── InUse (409)            `users` names what stands in the way
└── PreconditionFailed (412)
"""

from collections.abc import Sequence
from typing import Any

# An answer names no more errors than this: a body of nothing but mistakes is not answered by a larger one.
MAX_ERRORS = 20


class ApiError(Exception):
    """A refused request. Raised by actions, rendered in one place (`gofannon.lib.rest.errors`)."""

    status = 400
    code = "invalid"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str | None = None,
        status: int | None = None,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.path = path
        self.status = status or self.status
        self.extra = extra or {}
        self.headers = headers or {}

    def as_dict(self) -> dict[str, Any]:
        """`{"code", "message", "path"?, ...extra}`."""
        return {"code": self.code, "message": self.message, **({"path": self.path} if self.path else {}), **self.extra}


class FieldErrors(ApiError):
    """Several fields are wrong: the first error stands for all, `errors` lists the first MAX_ERRORS, `more` counts
    the others: those behind them and `more` that the caller left out.
    """

    def __init__(self, errors: Sequence[ApiError], more: int = 0) -> None:
        first, self.all = errors[0], list(errors[:MAX_ERRORS])
        more += len(errors) - len(self.all)
        extra: dict[str, Any] = {}
        if len(self.all) > 1 or more:
            extra["errors"] = [error.as_dict() for error in self.all]
        if more:
            extra["more"] = more
        super().__init__(first.message, code=first.code, path=first.path, extra=extra)


class NotFound(ApiError):
    status = 404
    code = "not_found"


class Conflict(ApiError):
    status = 409
    code = "conflict"


class InUse(Conflict):
    """Refuses a deletion; `users` are references such as `agents/1234`, `others` a number of unnamed ones."""

    code = "in_use"

    def __init__(self, what: str, users: Sequence[str], others: int = 0) -> None:
        names = [*users[:5], *(["..."] if len(users) > 5 else [])]
        extra: dict[str, Any] = {"users": list(users)}
        if others:
            names.append(f"{others} that you cannot see")
            extra["others"] = others
        super().__init__(f"{what} is in use by {', '.join(names)}", extra=extra)


class PreconditionFailed(ApiError):
    status = 412
    code = "precondition_failed"


def raise_all(errors: Sequence[ApiError]) -> None:
    """Raises nothing for none, the error itself for one, FieldErrors for several."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise FieldErrors(errors)
