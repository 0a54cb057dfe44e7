"""What a late joiner does, and what must be seen of it."""

import time
import tomllib

from tests.network import fast_chain, operators, waiting


def joins(
    alice: operators.Operator,
    charlie: operators.Operator,
    fast: fast_chain.FastChain,
    liar: str,
    honest: str,
) -> float:
    """Charlie joins with a server that forges headers and an honest one.

    Returns:
        Seconds from his opt-in to his first signature.
    """
    fast.define(liar, honest)
    began, height = time.monotonic(), alice.kube.height(fast.home)
    with fast_chain.joining(charlie, fast) as passes:
        fast_chain.signs(charlie, alice, fast)
        seconds = time.monotonic() - began
        waiting.figure(f"opt-in at height {height} to the first signature", seconds)
        assert "NodeStuck" not in passes.reasons()
    fast_chain.never_held_the_first_block(charlie, fast)
    record = fast_chain.record_of(charlie, fast)
    assert record.trust is not None
    assert record.trust.servers == (honest,)
    (refused,) = record.trust.refused
    assert refused.startswith(f"{liar}: the header at height {record.trust.height} has another app hash")
    section = tomllib.loads(fast_chain.config_map(charlie, fast)["statesync.toml"])["statesync"]
    assert section["rpc_servers"] == f"{honest},{honest}"
    commit = alice.kube.ask_node(fast.home, "/commit", height=str(record.trust.height))
    assert commit["signed_header"]["commit"]["block_id"]["hash"] == record.trust.hash
    return seconds
