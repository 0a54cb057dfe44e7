"""Monitoring: metrics of a validator, made from what a pass observed and reported."""
