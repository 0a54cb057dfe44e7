"""Tests of `ics init`."""
