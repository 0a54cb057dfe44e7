"""Peers and ports of consumer chains: what validators publish, and what nodes are given; pure."""
