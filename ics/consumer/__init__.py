"""One consumer chain, from what was observed to what should be; pure."""
