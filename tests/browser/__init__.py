"""The status page in Chromium."""
