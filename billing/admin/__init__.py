"""The admin pages of users, teams, keys and what was spent."""

from billing.admin import access_keys, groups, teams, usage, users

__all__ = ["access_keys", "groups", "teams", "usage", "users"]
