"""Commands; the only package that wires everything together, through `ics.reconciler.wiring`."""
