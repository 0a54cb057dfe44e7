"""The owner's side of consumer chains: creating, changing and removing them."""
