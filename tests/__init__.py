"""Longshore's own tests; see README.md beside this file."""
