"""The contenders: the same no-op task in each, sent and run as each library has it."""
