"""Rules that do several things one after the other, because in any other order they do no harm."""

import datetime

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from ics import model
from tests.model import installation, provider, universe

WHICH = st.integers(0, 4)
"""An installation by its number; 4: the one whose key is assigned."""
HOLDS = st.sampled_from(("", "definition", "question"))
_WATERMARK = datetime.timedelta(minutes=13)
"""Time after which a watermark is written again."""


class Sequences(RuleBasedStateMachine):
    """Harm in the order in which it is worst, mostly to the installation whose key is assigned."""

    found: universe.Universe

    def one(self, which: int) -> installation.Installation:
        """Return an installation, see `WHICH`."""
        found = self.found.installations
        return self.assigned() or found[0] if which == 4 else found[which % len(found)]

    def assigned(self) -> installation.Installation | None:
        """Return the installation whose key is assigned."""
        address = self.found.assigned()
        return next((one for one in self.found.installations if address in one.own_addresses()), None)

    @property
    def is_launched(self) -> bool:
        """Whether there are blocks."""
        return self.found.provider.chain is not None

    def pass_blocks(self, count: int) -> None:
        """Let the chain make blocks, and all nodes vote for the next one."""
        self.found.vote()
        for _ in range(count):
            self.found.go_on()
            self.found.vote()

    def hold(self, one: installation.Installation, by: str) -> None:
        """Run a pass in which the chain has no definition, or the engine a question, or neither."""
        one.has_definition, one.has_question = by != "definition", by == "question"
        one.cluster.holder.clear()  # the Lease of a pass that hangs expires
        self.found.run_pass(one)

    def come_to_sign(self, one: installation.Installation) -> None:
        """Run passes until the assigned key signs, or for so long that it should."""
        chain = self.found.provider.chain
        for _ in range(9):
            self.found.block()
            self.found.run_pass(one)
            self.pass_blocks(1)
            if chain is not None and chain.commits and self.found.assigned() in chain.commits[-1]:
                return

    # -- a second process, or a second disk -----------------------------------------------------------

    @rule(which=WHICH, blocks=st.integers(0, 2))
    def scale(self, which: int, blocks: int) -> None:
        """Run `kubectl scale --replicas 2`, which the next pass undoes."""
        one = self.one(which)
        for key, item in list(one.cluster.objects.of_kind("StatefulSet")):
            if key.namespace == one.namespace:
                spec = {**item["spec"], "replicas": 2}
                one.cluster.objects.items[key] = {**item, "spec": spec}
                one.cluster.objects.touched.add(key)
        one.cluster.settle()
        self.pass_blocks(blocks)

    @rule(which=WHICH, by=HOLDS, is_fresh=st.booleans())
    def restore_volume(self, which: int, by: str, is_fresh: bool) -> None:
        """Put back an older disk, or one of a block ago; the chain may be held in the pass that sees it."""
        one = self.one(which)
        position = self.found.installations.index(one)
        if is_fresh:
            self.found.backup(position)
            self.pass_blocks(1)
        self.found.restore_volume(position)
        self.hold(one, by)

    @precondition(lambda self: self.is_launched)
    @rule()
    def restore_volume_again(self) -> None:
        """Put back an older disk, let a new key take over, and put back an older disk again, both times while held."""
        for _ in range(2):
            one = self.assigned()
            if one is None:
                return
            self.restore_volume(self.found.installations.index(one), "definition", True)
            self.pass_blocks(1)
            self.found.provider.time += datetime.timedelta(minutes=2)
            self.hold(one, "")
            self.come_to_sign(one)

    @precondition(lambda self: self.is_launched)
    @rule()
    def restore_below_watermark(self) -> None:
        """Put back an older copy under the same claim, once the watermark is above it."""
        one = self.assigned()
        if one is None:
            return
        position = self.found.installations.index(one)
        self.found.backup(position)
        self.pass_blocks(3)
        self.found.provider.time += _WATERMARK
        self.found.run_pass(one)
        self.pass_blocks(0)
        self.found.restore_under_claim(position)
        one.cluster.settle()

    @precondition(lambda self: self.is_launched)
    @rule(kill_at=st.integers(0, 9), intrude_at=st.integers(0, 9), blocks=st.integers(0, 1))
    def restore_snapshot(self, kill_at: int, intrude_at: int, blocks: int) -> None:
        """Make a snapshot, and restore it with the next vote or block; the command may end, and a pass may intrude."""
        one = self.assigned()
        if one is None:
            return
        position = self.found.installations.index(one)
        self.found.backup(position)
        self.pass_blocks(blocks)
        self.found.restore_snapshot(position, kill_at=kill_at, intrude_at=intrude_at)
        self.pass_blocks(1)

    # -- a key in the wrong place ---------------------------------------------------------------------

    @rule(which=WHICH, passes=st.integers(0, 3))
    def confuse_keys(self, which: int, passes: int) -> None:
        """Put another key into an installation's key Secrets, perhaps while the chain is moved there."""
        one = self.one(which)
        one.moves = one.moves or passes > 0
        for _ in range(passes):
            self.found.run_pass(one)
        self.found.confuse_keys(one)
        one.cluster.settle()

    @precondition(lambda self: self.is_launched)
    @rule()
    def confuse_keys_under_running_node(self) -> None:
        """Put another key into the Secret while the node runs on a lost machine, and mend that once it is gone."""
        one = self.assigned()
        pod = None if one is None else self.found.pod_of(one)
        if one is None or pod is None or one.cluster.is_shared_storage:
            return
        one.cluster.remove(pod, is_forced=True)
        self.found.confuse_keys(one)
        one.cluster.settle()
        self.pass_blocks(1)
        if pod.process is not None:
            pod.process.stop()
        self.found.mend_keys(one)

    @precondition(lambda self: self.is_launched and self.found.remote is None)
    @rule(returns=st.booleans())
    def use_remote_signer(self, returns: bool) -> None:
        """Let a remote signer have the key, perhaps for a few blocks in which no pod starts."""
        one = self.assigned()
        if one is None:
            return
        self.found.use_remote_signer(self.found.installations.index(one))
        if returns and self.found.remote is not None:
            self.pass_blocks(1)
            self.leave_remote_signer()

    @precondition(lambda self: self.found.remote is not None)
    @rule()
    def leave_remote_signer(self) -> None:
        """Stop the remote signer, and return to derived keys."""
        self.found.vote()
        self.found.leave_remote_signer()

    # -- a lost sign state ----------------------------------------------------------------------------

    @precondition(lambda self: self.is_launched)
    @rule(is_halted=st.booleans(), passes=st.integers(1, 2))
    def reset(self, is_halted: bool, passes: int) -> None:
        """Lose the volume of the assigned key after a vote, and let it sign again by a reset."""
        chain, one = self.found.provider.chain, self.assigned()
        if chain is None or one is None:
            return
        self.found.vote()
        chain.is_halted = is_halted
        self.found.lose_volume(one)
        for _ in range(passes):
            self.found.run_pass(one)
        self.found.reset(one)
        for _ in range(3):
            self.found.run_pass(one)

    @precondition(lambda self: self.is_launched)
    @rule(lie=st.sampled_from((provider.Lie.INITIALIZED, *provider.Lie)))
    def lose_volume_and_lie(self, lie: provider.Lie) -> None:
        """Lose the volume of the assigned key after a vote, and let the endpoint err in the pass after that."""
        one = self.assigned()
        if one is None:
            return
        self.found.vote()
        self.found.lose_volume(one)
        self.found.run_pass(one)
        one.lie = lie
        for _ in range(3):
            self.found.run_pass(one)

    # -- the owner ------------------------------------------------------------------------------------

    @precondition(lambda self: self.found.provider.phase is model.Phase.INITIALIZED)
    @rule()
    def change_over(self) -> None:
        """Make the chain a changeover after the opt-in, right before its launch."""
        if self.found.provider.is_opted_in:
            self.found.provider.connection_id = "connection-0"
            self.found.provider.launch()
