"""A provider whose fee market moves: opt-in, top-up and relaying go on while the price rises tenfold and falls again.

Prices are read from `/feemarket/v1/gas_prices` of real gateways' answers, one of which is a block behind, and the chain
refuses a fee that is too low with code 13.
"""

import tomllib
from decimal import Decimal

from ics import model
from ics.config import settings
from ics.provider.rest import queries
from ics.relayer import budget
from tests.unit.provider import fake
from tests.unit.provider.rest import test_gas_price
from tests.unit.provider.tx import test_transactions as scene
from tests.unit.relayer import relaying, test_accounts

PRICES = ("0.001", "0.002", "0.004", "0.007", "0.01", "0.007", "0.004", "0.002", "0.001")
PER_ROUND = 20_000_000
"""Gas that each relayer account uses between two passes."""


class Market:
    """The chain with its price, as three gateways and the mempool tell it."""

    def __init__(self) -> None:
        self.chain = scene.Chain(held=10**9)
        names = ("a", "b", "late")
        self.gateways = {n: fake.Gateway({100: fake.State(test_gas_price.TIME)}) for n in names}

    def moves(self, price: str, before: str) -> None:
        """Change the price; one gateway still tells the one before."""
        self.chain.market = Decimal(price)
        for name, one in self.gateways.items():
            one.broken = {
                test_gas_price.MARKET: test_gas_price.market(stake=before if name == "late" else price)
            }


async def test_everything_goes_on_while_the_price_rises_tenfold_and_falls_again() -> None:
    market = Market()
    configs: set[str] = set()
    fees: list[set[int]] = []
    provider = settings.ProviderSettings.model_validate(
        {
            "chain_id": fake.CHAIN_ID,
            "rest": tuple(f"http://{name}" for name in ("late", "a", "b")),
            "rpc": ("http://x",),
            "grpc": ("http://a:9090",),
        }
    )
    held = dict.fromkeys((test_accounts.RELAYER, test_accounts.EVIDENCE), 0)
    record = ""
    network = fake.Network(**market.gateways)
    async with queries.Queries(provider, lambda: test_gas_price.NOW, transport=network) as asking:
        market.moves(PRICES[0], PRICES[0])
        await asking.open()
        market.chain.ask_price = asking.gas_price  # type: ignore[method-assign]
        sending, _ = scene.sender(market.chain)
        for number, price in enumerate(PRICES):
            market.moves(price, PRICES[max(0, number - 1)])
            await sending.send(model.OptIn(str(number), f"c-{number}", bytes(32)))
            asked = await asking.gas_price()
            sent = budget.sent(record, fake.CHAIN_ID, "stake", market.chain.now)
            funding = test_accounts.fund(held, str(asked.amount), sent.get("0", 0))
            for top_up in funding.top_ups:
                record = budget.with_top_up(record, fake.CHAIN_ID, top_up, market.chain.now)
                await sending.send(top_up)
                held[top_up.address] += top_up.amount
            # Hermes asks for the price itself, so its config must not change, and pays for what it relays.
            relayed = relaying.plan(relaying.OPEN, asked=asked, record=relaying.record("x")).candidate
            assert relayed is not None
            configs.add(relayed.setup.config)
            for address in held:
                held[address] -= int(PER_ROUND * Decimal(price))
                assert held[address] >= 0, f"{address} cannot pay at {price}"
            fees.append({one.fee for one in market.chain.executed[-1 - len(funding.top_ups) :]})

    opt_ins = [one for one in market.chain.executed if isinstance(one.transaction, model.OptIn)]
    assert len(opt_ins) == len(PRICES)
    assert len(market.chain.executed) > len(PRICES)
    # The fee of each is what the market asks, at most a tenth more, whatever the late gateway says.
    for price, paid in zip(PRICES, fees, strict=True):
        assert all(Decimal(price) * 150_002 <= fee <= Decimal(price) * 165_003 + 1 for fee in paid)
    [config] = configs
    on_provider = tomllib.loads(config)["chains"][0]
    assert on_provider["dynamic_gas_price"] == {"enabled": True, "multiplier": 1.1, "max": 0.02}
