"""Queries to the provider chain's REST gateways, at one height."""
