"""`/api/users`, `/api/users/me`"""

from typing import Any, ClassVar

from django_filters import FilterSet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import actions
from billing.api.documents import DocumentViewSet
from billing.api.user_serializers import API_KEYS, ApiKeySerializer, UsageEntrySerializer, UserSerializer, masks
from billing.models import User
from gofannon.lib.errors import ApiError, NotFound
from gofannon.lib.rest.children import ChildPages

_ONE_KEY = "api-keys/(?P<provider>[^/]+)"


class UserFilters(FilterSet):
    class Meta:
        model = User
        fields: ClassVar[dict[str, Any]] = {
            "username": ["exact"],
            "email": ["exact"],
            "plan": ["exact"],
            "is_active": ["exact"],
            "is_staff": ["exact"],
        }


@extend_schema(tags=["users"])
class UserViewSet(ChildPages, DocumentViewSet):
    """Users see themselves, staff sees all. `/api/users/me` is the caller, who sets no budget there, staff or not."""

    model = User
    serializer_class = UserSerializer
    filterset_class = UserFilters
    ordering_fields = ("created_at", "username")
    by_me = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.by_me = self.kwargs.get("pk") == "me"
        if self.by_me:
            self.kwargs["pk"] = request.user.pk

    def get_serializer_context(self) -> dict[str, Any]:
        staff = bool(getattr(self.request.user, "is_staff", False)) if self.request else False
        return {**super().get_serializer_context(), "by_staff": staff and not self.by_me}

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A new local user, made by staff."""
        if not request.user.is_staff:
            raise actions.staff_only("only staff creates users")
        return super().create(request, *args, **kwargs)

    def make(self, values: dict[str, Any]) -> User:
        return actions.create_user(actor=self.request.user, values=values)

    def change(self, document: User, values: dict[str, Any], expected: int | None) -> None:
        actions.update_user(actor=self.request.user, user=document, values=values, expected_version=expected)

    def remove(self, document: User, expected: int | None) -> None:
        actions.anonymise_user(actor=self.request.user, user=document, expected_version=expected)

    @extend_schema(responses=UsageEntrySerializer(many=True))
    @action(detail=True, filter_backends=())
    def usage(self, request: Request, pk: str) -> Response:
        """All entries, oldest first, in pages."""
        return self.child_page("usage", UsageEntrySerializer)

    @extend_schema(operation_id="users_api_keys_list", responses={200: API_KEYS})
    @action(detail=True, url_path="api-keys")
    def api_keys(self, request: Request, pk: str) -> Response:
        """The masked keys, as the user's document shows them."""
        return Response(masks(self.get_object()))

    @extend_schema(request=ApiKeySerializer, responses=ApiKeySerializer)
    @action(detail=True, methods=["get", "put"], url_path=_ONE_KEY, serializer_class=ApiKeySerializer)
    def api_key(self, request: Request, pk: str, provider: str) -> Response:
        """One provider's key, masked; PUT sets it, for the user to whom it belongs."""
        user = self.get_object()
        if request.method == "PUT":
            if user.pk != request.user.pk:
                raise ApiError("provider keys are set by the user to whom they belong", code="owner_only", status=403)
            body = self.get_serializer(data=request.data)
            body.is_valid(raise_exception=True)
            actions.set_provider_key(user=user, provider=provider, value=body.validated_data["hint"])
        key = user.provider_keys.all().filter(provider=provider).first()
        if key is None:
            raise NotFound("there is no key of this provider")
        return Response(self.get_serializer(key).data)

    @extend_schema(responses={204: None})
    @api_key.mapping.delete
    def delete_api_key(self, request: Request, pk: str, provider: str) -> Response:
        """Removes the key, for its owner and for staff."""
        actions.delete_provider_key(user=self.get_object(), provider=provider)
        return Response(status=status.HTTP_204_NO_CONTENT)
