"""Settings of a stack and chain definitions: schema, validation, and the files that contain them."""
