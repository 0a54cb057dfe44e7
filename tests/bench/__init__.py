"""Measurements, run by `make bench`; each of their processes is set up as `ics` is."""

from ics import garbage

garbage.look_less_often()
