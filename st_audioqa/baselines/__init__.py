"""Models that can be asked by name: controls, and ways to models of other makers.

Each file defines one class `Model` that takes a `RunContext`; its file name is its name. What
the scores mean is read off between the controls `chance` and `oracle`.
"""
