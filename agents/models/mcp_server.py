"""MCP servers: where tools come from. Nothing is started by storing one."""

from typing import Any

from django.db import models

from agents import specs
from agents.models.parts import require_staff
from agents.models.token import TokenHolder
from gofannon.lib.documents import ListRow


class McpServer(TokenHolder):
    """`allowed_tools` empty means all of the server's tools; `tools` is the list that it last told."""

    KIND = "mcp"
    COLLECTION = "mcp-servers"
    LISTS = ("tags", "allowed_tools")
    CONFIG = "connection_config"

    class Transport(models.TextChoices):
        STDIO = "stdio", "stdio: a program on this machine (staff only)"
        SSE = "sse", "SSE"
        HTTP = "http", "streamable HTTP"

    class Status(models.TextChoices):
        REGISTERED = "registered"
        CONNECTED = "connected"
        ERROR = "error"

    name = models.CharField(max_length=255, db_index=True)
    transport_type = models.CharField(max_length=10, choices=Transport.choices)
    connection_config = models.JSONField(
        help_text='stdio: {"command", "args", "env", "cwd"}; else {"url", "headers"}. A secret: {"token": "<token id>"}'
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.REGISTERED, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    tools = models.JSONField(default=list, editable=False)

    class Meta:
        verbose_name = "MCP server"
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="mcp_server_name_per_owner")]

    def check_document(self, actor: Any) -> None:
        if self.transport_type == self.Transport.STDIO:
            require_staff(actor, "programs on this machine", "transport_type")
        if self.changing("transport_type") or self.changing("connection_config"):
            specs.parse_mcp(self.transport_type, self.connection_config)
        self.check_tokens(actor)


class McpServerRow(ListRow):
    document = models.ForeignKey(McpServer, models.CASCADE, related_name="rows")
