"""The long-running reconciler, whose passes are triggered by events and timers.

The loop, the schedule and the health server are small and run on injected clocks, so that tests need no real time;
scheduler and web frameworks would not replace the coupling to the Lease and to cancelled passes.
"""
