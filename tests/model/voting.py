"""Votes on the consumer chain: each node that runs with a key in the set votes, and as it likes."""

from dataclasses import dataclass

from tests.model import cluster, consumer, signer


@dataclass(slots=True, eq=False)
class RemoteSigner:
    """A remote signer with a key and its own sign state, which signs through a node outside all clusters."""

    key: bytes
    state: signer.SignState


def vote(
    chain: consumer.Chain, processes: list[cluster.Process], remote: RemoteSigner | None, choice: str
) -> None:
    """Let all nodes vote at the height and round in progress.

    Two nodes never vote for the same block on their own, which is the worst that may happen to a key at two places.

    Args:
        chain: the chain.
        processes: all that run.
        remote: the remote signer, if the operator uses one.
        choice: part of every content, so that a node may also want another block than before.

    Raises:
        DoubleSigned: a key signed twice.
    """
    for process in processes:
        if not process.is_cut_off:
            process.height, process.round = chain.height, chain.round
        height = process.height + 1
        if process.is_remote or process.key not in chain.set_at(height):
            continue
        try:
            for step in (signer.Step.PREVOTE, signer.Step.PRECOMMIT):
                content = process.sign(height, process.round, step, f"{process.name} {choice}")
                chain.ledger.record(process.key, height, process.round, step, content, process.name)
                if not process.is_cut_off:
                    chain.seen.add((process.key, process.round, int(step)))
        except signer.Refused:
            continue
        if not process.is_cut_off:
            chain.voted.add(process.key)
        else:
            process.round += 1
    if remote is not None and remote.key in chain.set_at(chain.height + 1):
        _vote_remotely(chain, remote, choice)


def _vote_remotely(chain: consumer.Chain, remote: RemoteSigner, choice: str) -> None:
    height, round = chain.height + 1, chain.round
    try:
        for step in (signer.Step.PREVOTE, signer.Step.PRECOMMIT):
            content = remote.state.sign(height, round, step, f"remote {choice}")
            chain.ledger.record(remote.key, height, round, step, content, "remote signer")
            chain.seen.add((remote.key, round, int(step)))
    except signer.Refused:
        return
    chain.voted.add(remote.key)
