"""The base of every admin page: saves and deletes go through the same functions as the API's."""

import json
import re
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import JSONField, Model, QuerySet, URLField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import truncatechars
from rest_framework.exceptions import ParseError
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from billing import documents
from gofannon.lib.documents import Document
from gofannon.lib.errors import ApiError
from gofannon.lib.rest.parsers import loads

_SHARING = ("visibility", "team", "owner")


class LinesField(forms.CharField):
    """A list of strings, one a line."""

    def __init__(self, **kwargs: Any) -> None:
        widget = UnfoldAdminTextareaWidget(attrs={"rows": 2})
        super().__init__(widget=widget, required=False, help_text="one a line", **kwargs)

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list) else [line.strip() for line in (value or "").splitlines()]
        lines = [line for line in lines if line]
        if len(set(lines)) != len(lines):
            raise ValidationError("names an entry twice")
        return lines

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


class DocumentForm(forms.ModelForm[Any]):
    """Carries the version that the page was made from, and each list as lines."""

    expected_version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    refusal: ApiError | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        document = self.instance
        if not document._state.adding:
            self.initial["expected_version"] = document.version
            self.initial.update({name: document.listed(name) for name in document.LISTS if name in self.fields})

    def clean(self) -> dict[str, Any]:
        """JSON as strict as the API's: no NaN, no NUL, no bottomless nesting."""
        for name, value in list(self.cleaned_data.items()):
            if isinstance(value, dict | list):
                try:
                    loads(json.dumps(value))
                except ParseError as error:
                    self.add_error(name, str(error.detail))
        return self.cleaned_data

    def values(self) -> dict[str, Any]:
        """What the page sets, keyed like the API's validated values: foreign keys by id."""
        found: dict[str, Any] = {}
        for name, value in self.cleaned_data.items():
            if name == "expected_version":
                continue
            if isinstance(value, Model):
                found[f"{name}_id"] = value.pk
            elif name in self._foreign_keys() and value is None:
                found[f"{name}_id"] = None
            else:
                found[name] = value
        return found

    def _foreign_keys(self) -> set[str]:
        return {field.name for field in self._meta.model._meta.concrete_fields if field.many_to_one}

    def _post_clean(self) -> None:
        """The document itself judges what it may hold; the form reads, and asks the columns' validators."""
        for column in self._meta.model._meta.concrete_fields:
            if column.name in self.cleaned_data and column.validators:
                try:
                    column.run_validators(self.cleaned_data[column.name])
                except ValidationError as refused:
                    self.add_error(column.name, refused)
        for error in getattr(self.refusal, "all", [self.refusal]) if self.refusal else []:
            path = error.path or ""
            field = re.split(r"[.\[]", path)[0]
            field = field if field in self.fields else field.removesuffix("_id")
            deeper = "" if path in ("", field, f"{field}_id") else f"{path}: "
            self.add_error(field if field in self.fields else None, deeper + error.message)


class Listing(ModelAdmin):  # type: ignore[misc]
    """A list without joins: what a row names is fetched beside it, because an import's references may lead nowhere
    and a join would hide such rows.
    """

    show_full_result_count = False
    list_per_page = 50
    list_fullwidth = True
    list_select_related: tuple[str, ...] = ()
    formfield_overrides = {URLField: {"assume_scheme": "https"}}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        named = {field.name for field in self.model._meta.concrete_fields if field.is_relation}
        shown = [str(name) for name in self.list_display if name in named and name not in self.list_select_related]
        return super().get_queryset(request).prefetch_related(*shown)  # type: ignore[no-any-return]


class DocumentAdmin(Listing):
    """Lists newest first; a refusal of the actions shows as the form's error."""

    form = DocumentForm
    # Whether a new document's id is chosen by who makes it.
    chosen_id = False
    # Besides JSON, what is read letter by letter: shown in a fixed width, with room.
    code_fields: tuple[str, ...] = ()
    ordering = ["-created_at"]
    date_hierarchy = "created_at"
    readonly_fields: tuple[str, ...] = ("id", "version", "created_at", "updated_at")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        lines: dict[str, forms.Field] = {name: LinesField() for name in self._lists()}
        if self.chosen_id and obj is None:
            lines["id"] = forms.CharField(
                max_length=255, required=False, widget=UnfoldAdminTextInputWidget, label="name in addresses"
            )
        kwargs["form"] = type("WithLists", (self.form,), {**lines, "refusal": getattr(request, "_refusal", None)})
        if self.fields is None and not self.fieldsets:
            kwargs.setdefault("fields", self._form_fields(request, obj))
        return super().get_form(request, obj, change=change, **kwargs)

    def _lists(self) -> tuple[str, ...]:
        return self.model.LISTS if issubclass(self.model, Document) else ()

    def _form_fields(self, request: HttpRequest, obj: Any) -> list[str]:
        read_only = set(self.get_readonly_fields(request, obj))
        editable = [f.name for f in self.model._meta.concrete_fields if f.editable and not f.primary_key]
        # What a document is comes first, whose it is last.
        editable.sort(key=lambda name: name in _SHARING)
        return [name for name in editable if name not in read_only]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, JSONField) or db_field.name in self.code_fields:
            rows = 16 if db_field.name in self.code_fields else 4
            kwargs["widget"] = UnfoldAdminTextareaWidget(
                attrs={"rows": rows, "style": "font-family: monospace", "spellcheck": "false"}
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.fields:
            return [*self.fields, *(["expected_version"] if "expected_version" not in self.fields else [])]
        extra = [name for name in self._lists() if name not in self.get_readonly_fields(request, obj)]
        shown = self._form_fields(request, obj)
        own, sharing = [name for name in shown if name not in _SHARING], [name for name in shown if name in _SHARING]
        read_only = list(self.get_readonly_fields(request, obj))
        if self.chosen_id and obj is None:
            own = ["id", *own]
            read_only.remove("id")
        return [*own, *extra, *sharing, *read_only, "expected_version"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.for_wire() if hasattr(rows, "for_wire") else rows

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)  # type: ignore[no-any-return]
        except ApiError as refusal:
            # Rolled back; the page is shown again with the refusal at its field.
            request._refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, *args, **kwargs)  # type: ignore[no-any-return]

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        return form.instance

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            stored = self.model._default_manager.get(pk=obj.pk)
            self.change_document(request, stored, form.values(), form.cleaned_data.get("expected_version"))
        else:
            obj.pk = self.make_document(request, form.values()).pk
            obj._state.adding = False

    def make_document(self, request: HttpRequest, values: dict[str, Any]) -> Any:
        return documents.create_document(actor=request.user, model=self.model, values=values)

    def change_document(
        self, request: HttpRequest, document: Any, values: dict[str, Any], expected: int | None
    ) -> None:
        documents.update_document(actor=request.user, document=document, values=values, expected_version=expected)

    def remove_document(self, request: HttpRequest, document: Any) -> None:
        documents.delete_document(actor=request.user, document=document)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        for formset in formsets:
            self.save_formset(request, form, formset, change=change)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with a document (its versions, its items) needs no permission of its own."""
        objects, counts, needed, protected = super().get_deleted_objects(objs, request)
        return objects, counts, needed & {self.opts.verbose_name}, protected

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.remove_document(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for document in queryset:
            try:
                self.remove_document(request, document)
            except ApiError as refusal:
                messages.error(request, refusal.message)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)  # type: ignore[no-any-return]
        except ApiError as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(request.path.removesuffix("delete/") + "change/")


class HistoryAdmin(Listing):
    """What happened is read, never written."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def excerpt(text: str, length: int = 60) -> str:
    return truncatechars(text, length)
