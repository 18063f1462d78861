"""Formats of other producers: one pure function each, from what came to what it means."""
