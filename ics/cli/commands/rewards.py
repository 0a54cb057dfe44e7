"""`ics rewards`: what each chain brings and costs."""

import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics.cli import options, output, terminal
from ics.cli.arguments import rewards as arguments
from ics.consumer import costs, observed, rewards
from ics.reconciler import chain_balances, observe, recent_rewards, wiring, world
from ics.relayer import accounts

_SHORT = 12
"""Characters of a long denomination in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRow:
    """One chain, or what is of no chain."""

    consumer_id: str
    """Empty: the validator itself."""
    chain_id: str
    rewards: tuple[rewards.Reward, ...]
    costs: costs.Costs
    left: int | None
    """Coins on its relayer's accounts on the provider; None: not known."""


async def _rewards(args: arguments.Rewards, stack: wiring.OpenStack) -> int:
    with terminal.status("reading provider and cluster"):
        observed, _ = await observe.read(stack.world)
        found = await chain_balances.ask(stack.world, observed, recent_rewards.RecentRewards())
    rows = _rows(stack.world, observed, found)
    denom = stack.world.settings.provider.denom
    return output.emit(args, as_dict(rows, denom), lines(rows, denom))


def _rows(world: world.World, observed: observed.Observed, found: rewards.Balances) -> list[ChainRow]:
    """Return the chains that have brought or cost anything, or run here, and last the validator itself."""
    rows = []
    for consumer in observed.snapshot.consumers:
        consumer_id, balance = consumer.summary.consumer_id, found.of_chain(consumer.summary.consumer_id)
        if balance.rewards or balance.costs != costs.Costs() or consumer_id in observed.memory.chains:
            rows.append(
                ChainRow(
                    consumer_id=consumer_id,
                    chain_id=consumer.summary.chain_id,
                    rewards=balance.rewards,
                    costs=balance.costs,
                    left=_left(world, observed, consumer_id),
                )
            )
    own = ChainRow(
        consumer_id="",
        chain_id="",
        rewards=found.rewards.others,
        costs=found.costs.get("", costs.Costs()),
        left=None,
    )
    return [*rows, own]


def _left(world: world.World, observed: observed.Observed, consumer_id: str) -> int | None:
    named = accounts.provider_addresses(world.settings, world.seed, observed.snapshot.chain_id, consumer_id)
    held = [observed.balances[address] for _, address in named if address in observed.balances]
    return sum(held) if held else None


def as_dict(rows: Sequence[ChainRow], denom: str) -> dict[str, Any]:
    """Return the rows as JSON of a stable shape; amounts of rewards are texts with all of their decimals."""
    chains = [_as_dict(row) for row in rows if row.consumer_id]
    return {"denom": denom, "chains": chains, "others": _as_dict(rows[-1])}


def _as_dict(row: ChainRow) -> Mapping[str, Any]:
    return {
        "consumer_id": row.consumer_id or None,
        "chain_id": row.chain_id or None,
        "rewards": [
            {
                "denom": reward.denom,
                "base_denom": reward.base,
                "outstanding": f"{reward.outstanding:f}",
                "commission": f"{reward.commission:f}",
            }
            for reward in row.rewards
        ],
        "fees": row.costs.fees,
        "relayer_funding": row.costs.funding,
        "relayer_balance": row.left,
    }


def lines(rows: Sequence[ChainRow], denom: str) -> list[str]:
    """Return the rows as two tables.

    Args:
        rows: the validator's own last.
        denom: in which fees and relayers are paid.
    """
    brought = [
        (row.chain_id or "-", row.consumer_id or "-", _name(reward), *_amounts(reward))
        for row in rows
        for reward in row.rewards
    ]
    cost = [
        (
            row.chain_id or "-",
            row.consumer_id or "-",
            f"{row.costs.fees:,}",
            f"{row.costs.funding:,}",
            "-" if row.left is None else f"{row.left:,}",
        )
        for row in rows
    ]
    return [
        terminal.Styled("Rewards that are not withdrawn", "bold"),
        *output.table(("CHAIN", "ID", "DENOM", "COMMISSION", "WITH DELEGATORS"), brought),
        "",
        terminal.Styled(f"Costs on the provider in {output.cell(denom)}, since the record began", "bold"),
        *output.table(("CHAIN", "ID", "FEES", "SENT TO RELAYER", "LEFT THERE"), cost),
    ]


def _name(reward: rewards.Reward) -> str:
    if reward.base == reward.denom:
        return reward.denom
    return f"{reward.base} ({reward.denom[:_SHORT]}…)"


def _amounts(reward: rewards.Reward) -> tuple[str, str]:
    """Return commission and all in whole base units, of which a part cannot be withdrawn."""
    whole = [
        amount.to_integral_value(rounding=decimal.ROUND_DOWN)
        for amount in (reward.commission, reward.outstanding)
    ]
    return f"{whole[0]:,}", f"{whole[1]:,}"


run = options.on_stack(_rewards)
