"""Every refusal in one shape: `{"error": {"code", "message", "path"?, "request_id", "errors"?}}`."""

import logging
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.db import DatabaseError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from gofannon.lib.errors import MAX_ERRORS, ApiError, FieldErrors, NotFound
from gofannon.lib.rest.request_id import current_request_id

log = logging.getLogger(__name__)

# DRF's and Django's words for what the field's standard terms name otherwise.
_CODES = {
    "does_not_exist": "unknown_reference",
    "incorrect_type": "invalid",
    "invalid_choice": "invalid_choice",
    "not_a_dict": "invalid",
    "not_a_list": "invalid",
    "parse_error": "malformed_json",
    "unique": "duplicate",
}
_LEFT_OUT = "left_out"


def body(error: ApiError) -> dict[str, Any]:
    return {"error": {**error.as_dict(), "request_id": current_request_id.get()}}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    error = as_api_error(exc)
    if error is None:
        return None
    set_rollback()
    return Response(body(error), status=error.status, headers=error.headers)


def as_api_error(exc: Exception) -> ApiError | None:
    """The refusal that `exc` stands for; None for a fault of ours."""
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, Http404):
        return NotFound("there is no such thing here")
    if isinstance(exc, PermissionDenied):
        return ApiError("you may not do this", code="permission_denied", status=403)
    if isinstance(exc, RequestDataTooBig | TooManyFieldsSent):
        return ApiError("the body is too large", code="body_too_large", status=413)
    if isinstance(exc, exceptions.ValidationError):
        return _from_fields(exc.detail)
    if isinstance(exc, exceptions.APIException):
        return _from_drf(exc)
    if isinstance(exc, OperationalError):
        log.warning("the database did not answer", exc_info=exc)
        message = "the database is busy, try again"
        return ApiError(message, code="database_busy", status=503, headers={"Retry-After": "1"})
    return None


def _from_drf(exc: exceptions.APIException) -> ApiError:
    code = exc.get_codes()
    headers = {}
    if (wait := getattr(exc, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    if auth_header := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    name = code if isinstance(code, str) else exc.default_code
    return ApiError(str(exc.detail), code=_CODES.get(name, name), status=exc.status_code, headers=headers)


def left_out(count: int) -> exceptions.ErrorDetail:
    """Stands in a serializer's errors for `count` of the same kind that are not named."""
    return exceptions.ErrorDetail(f"{count} more", code=_LEFT_OUT)


def _from_fields(detail: Any) -> ApiError:
    found: list[ApiError] = []
    more = 0
    for each, path in _walk(detail, ""):
        code = getattr(each, "code", "invalid")
        if code == _LEFT_OUT:
            more += int(each.split()[0])
        elif len(found) < MAX_ERRORS:
            found.append(ApiError(str(each), code=_CODES.get(code, code), path=path or None))
        else:
            more += 1
    return found[0] if len(found) == 1 and not more else FieldErrors(found, more)


def _walk(detail: Any, path: str) -> Iterator[tuple[Any, str]]:
    """The errors in DRF's nested detail, each with its dotted path."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            inner = (
                path if key == "non_field_errors" else f"{path}[{key}]" if isinstance(key, int) else _join(path, key)
            )
            yield from _walk(value, inner)
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            if isinstance(value, dict | list):
                if value:
                    yield from _walk(value, f"{path}[{index}]")
            else:
                yield from _walk(value, path)
    else:
        yield detail, path


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else str(key)


def is_program(request: HttpRequest) -> bool:
    """Whether the path belongs to programs, which read JSON, rather than to people."""
    return request.path.startswith(("/api/", "/rest/", "/v1/")) or request.path == "/api"


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    return JsonResponse(body(NotFound("there is no such thing here")), status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    return JsonResponse(body(ApiError("the request is not one that this host answers")), status=400)


def server_error(request: HttpRequest) -> JsonResponse:
    error = ApiError("a fault of ours; the log names it by this request id", code="internal_error", status=500)
    return JsonResponse(body(error), status=500)


def is_unique_violation(error: DatabaseError) -> bool:
    text = str(error).lower()
    return "unique" in text or "duplicate key" in text
