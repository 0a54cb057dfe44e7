"""Runs stories side by side: what a story needs, when it may begin, and the processes that run it."""
