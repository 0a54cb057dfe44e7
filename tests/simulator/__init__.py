"""A provider chain that is not there: hundreds of chains and validators, for scale and faults only."""
