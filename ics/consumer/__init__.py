"""One consumer chain, from the observed to the desired state; pure."""
