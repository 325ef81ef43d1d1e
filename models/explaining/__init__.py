"""Explaining: what the proxy does with a request, found out without sending it."""
