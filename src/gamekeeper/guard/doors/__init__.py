"""The doors that requests come in by: a reverse proxy, an ASGI middleware, a LiteLLM guardrail; one
core behind.
"""
