"""Benchmarks of Hairpin, each a ratio against a peer or a limit measured in the same run.

CPUs differ, so an absolute figure says little about the code; what a benchmark here is judged by
is a ratio of two rates taken on the same cores within the same minute.
"""
