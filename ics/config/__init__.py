"""Settings of a stack and chain definitions: their schema, their checks, and the files that hold them."""
