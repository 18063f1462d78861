"""The measurements behind `longshore bench`; how and why is in docs/benchmarks.md."""
