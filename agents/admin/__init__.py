"""The admin pages of agents and their parts."""

from agents.admin import skills

__all__ = ["skills"]
