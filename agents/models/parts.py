"""What the parts of an agent have in common."""

from typing import Any

from django.apps import apps

from gofannon.lib.errors import ApiError


def users_of(model_name: str, field: str, value: str) -> list[str]:
    """References of the documents of an agents' model whose list `field` holds `value`."""
    model: Any = apps.get_model("agents", model_name)
    keys = model.objects.listing(field, value).order_by("pk").values_list("pk", flat=True)
    return [f"{model.COLLECTION}/{key}" for key in keys]


def require_staff(actor: Any, what: str, path: str) -> None:
    """Raises ApiError 403 `staff_only` for everybody else: what reaches outside is the operators' decision."""
    if not actor.is_staff:
        raise ApiError(f"{what} only staff may define or change", code="staff_only", path=path, status=403)
