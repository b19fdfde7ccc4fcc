"""The admin pages of workflows, sessions, executions and the runs behind them."""

from workflows.admin import runs, sessions, task_executions, workflows

__all__ = ["runs", "sessions", "task_executions", "workflows"]
