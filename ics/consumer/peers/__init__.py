"""Peers and ports of consumer chains: published by validators, configured on nodes; pure."""
