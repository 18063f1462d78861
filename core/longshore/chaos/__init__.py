"""Breaking workers on purpose, and counting what the task log promised: `longshore bench --chaos`.

How it is done and how it is counted is in docs/benchmarks.md.
"""
