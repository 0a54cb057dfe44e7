"""The embedded engine: server-side apply of the manifests as one ApplySet (KEP-3659)."""
