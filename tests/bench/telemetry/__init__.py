"""What telemetry costs: `python -m tests.bench.telemetry`."""
