"""What of a run is its agent's people's affair: what its code printed, where it failed, what its calls were given.

These people are the agent's owner, its editors and staff. Others who asked for the run or pay for it see what it was
given and gave, how it stands, and what it logged.
"""

from collections.abc import Collection
from typing import Any

from agents.models import Agent
from billing.models import User
from workflows.models import Run

# Of an error, what quotes the agent's code.
INNER = ("traceback",)


def has_inner(error: Any) -> bool:
    return isinstance(error, dict) and any(name in error for name in INNER)


def without_inner(error: Any) -> Any:
    """An error as everybody may see it who sees the run."""
    return {name: value for name, value in error.items() if name not in INNER} if has_inner(error) else error


def seen_inside(user: Any, runs: Collection[Run]) -> frozenset[str]:
    """The ids of those runs that `user` may look into: one query for all of them, none for their owner and staff."""
    if user.is_staff:
        return frozenset(run.pk for run in runs)
    others = {run.agent_id for run in runs if run.owner_id != user.pk}
    # Of none it asks nothing.
    editable = set(Agent.objects.editable_by(user).filter(pk__in=others).values_list("pk", flat=True))
    return frozenset(run.pk for run in runs if run.owner_id == user.pk or run.agent_id in editable)


def may_see_inside(user: Any, run: Run) -> bool:
    return run.pk in seen_inside(user, [run])


def error_for(user: Any, run: Run) -> Any:
    """The run's error as `user` may see it."""
    return run.error if not has_inner(run.error) or may_see_inside(user, run) else without_inner(run.error)


def error_for_actor(run: Run) -> Any:
    """The run's error as it is sent to whoever asked for the run."""
    if not has_inner(run.error):
        return run.error
    actor = User.objects.filter(pk=run.actor_id).first() if run.actor_id else None
    return without_inner(run.error) if actor is None else error_for(actor, run)
