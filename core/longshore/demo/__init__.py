"""The main job on real input: every file of a folder hashed by worker processes."""
