"""Speed and cost on AWS, measured on emulators: `python -m tests.bench.aws`."""
