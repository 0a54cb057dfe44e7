"""The commands of `ics`, one module for each group."""
