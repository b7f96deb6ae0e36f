"""The form that opens the console."""

from typing import Any

from django import forms
from unfold.forms import AuthenticationForm

from populace.console.rights import actor_at, may_open_console
from populace.logins.actions import login_failed
from populace.logins.backends import attempt
from populace.users.identifiers import EMAIL_MAX


class SignInForm(AuthenticationForm):
    """E-mail or user name and password of somebody with a role. Every refusal says the same."""

    error_messages = {"invalid_login": "No console opens with this e-mail or user name and this password."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget = self.fields["username"].widget
        widget.attrs["maxlength"] = EMAIL_MAX
        # As typed: Django's own field maps characters, which is the identifiers' business.
        self.fields["username"] = forms.CharField(max_length=EMAIL_MAX, widget=widget, label="E-mail or user name")

    def clean(self) -> dict[str, Any]:
        """Return the data, with the person in `user_cache`. Raises HashingBusy."""
        values: dict[str, Any] = self.cleaned_data
        if self.errors:
            return values
        named, user = attempt(values["username"], values["password"])
        if user is None or not may_open_console(user):
            login_failed(named, by=actor_at(self.request))
            raise self.get_invalid_login_error()
        self.user_cache = user
        return values
