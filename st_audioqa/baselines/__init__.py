"""Control models: what the scores mean is read off between chance and oracle.

Each file defines one class `Model` that takes a `RunContext`; its file name is its name.
"""
