"""The admin pages of workflows, sessions, executions and the runs behind them."""

from workflows.admin import approvals, deliveries, runs, sessions, task_executions, workflows

__all__ = ["approvals", "deliveries", "runs", "sessions", "task_executions", "workflows"]
