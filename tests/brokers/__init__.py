"""The servers that adapter tests need: found where they run, started where they do not.

`python -m tests.brokers` has no dependency, so that it works before any environment exists.
What it starts listens on loopback only, keeps its files in a folder that `down` removes, and is
recorded by process or container id; `down` ends nothing else.
"""
