"""The reconcile pass and the daemon that repeats it."""
