"""The long-running reconciler: events and timers wake it, passes do the work."""
