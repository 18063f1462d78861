"""Longshore: background tasks from any message queue."""
