"""The HTTP server of the daemon and of `ics page`: probes, metrics and the status page in one application."""
