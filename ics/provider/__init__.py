"""Access to the provider chain: REST queries, gRPC transactions and the event stream.

`rest/` reads, `tx/` and `owner/` write, `events` wakes the daemon. Decoders, messages and the choice of an
endpoint (`heads`, `gateway`, `event_filter`) are pure.

Kept although libraries exist: the pool of REST endpoints, because no client library pins a height over several
gateways and falls back to another at the same height; and the transactions, see `ics.provider.tx`.
"""
