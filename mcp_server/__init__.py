"""MCP server: tools, resources and a prompt for agents, over the HTTP API."""
