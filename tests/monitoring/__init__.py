"""Tests with the real Prometheus and Alertmanager."""
