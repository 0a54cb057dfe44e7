"""Queries to the provider chain's REST gateways, all at one height.

cosmpy's REST client is not used: it has no timeout, cannot pin a height, raises RuntimeError for every failure, and
blocks. Here httpx sends the requests, and `ics.provider.gateway` classifies the answers.
"""
