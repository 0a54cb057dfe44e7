"""Transactions on the provider chain."""
