"""Options and arguments of the commands: one module for each entry of `ics --help`, which loads no adapter."""
