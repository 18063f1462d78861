"""Adapters: one folder per broker or store."""
