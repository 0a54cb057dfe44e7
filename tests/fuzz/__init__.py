"""Everything that parses what others wrote, fed with what nobody would write.

`targets` names the parsers, the exceptions that they declare, and what must hold of their results; `values` makes
inputs from bytes, so that the same targets run with hypothesis among the tests and, guided by coverage, with atheris
(`python -m tests.fuzz`, part of `make soak`).
"""
