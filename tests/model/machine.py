"""The rules of the model: what happens, what harm is done, and what must hold after each of them."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ics import model
from tests.model import calm, installation, provider, universe

WHICH = st.integers(0, 3)
EFFECT = st.integers(1, 24)
CHAINS = (
    *("leave", "rejoin", "rejoin", "jail", "unjail", "unjail", "break", "relay", "relay", "wait", "wait"),
    *("change over", "new chain", "new chain", "halt", "go on", "go on", "round", "round"),
)
HOLDS = st.sampled_from(("", "definition", "question"))


class Counted:
    """Executed rules of this process."""

    steps = 0
    examples = 0


class Signing(RuleBasedStateMachine):
    """Two or three installations of one validator, a provider and a consumer chain, and harm."""

    found: universe.Universe
    is_quiet: bool

    @initialize(
        is_shared=st.sampled_from((False, False, True)),
        waits=st.sampled_from((False, False, True)),
        is_running=st.sampled_from((True, True, True, False)),
        is_quiet=st.sampled_from((False, False, True)),
    )
    def begin(self, is_shared: bool, waits: bool, is_running: bool, is_quiet: bool) -> None:
        """Create everything; in most runs the first installation signs already, and its namespace has a backup.

        Args:
            is_shared: whether volumes are on a shared file system without locks.
            waits: whether lost keys wait for the operator.
            is_running: whether the first installation signs already.
            is_quiet: whether nodes vote only when a rule says so, instead of after each rule.
        """
        Counted.examples += 1
        self.is_quiet = is_quiet
        self.found = universe.create(is_shared_storage=is_shared, lost_volume="wait" if waits else "rekey")
        if not is_running:
            return
        for _ in range(3):
            self.found.run_pass(self.found.installations[0])
        self.found.provider.launch()
        for _ in range(3):
            self.found.run_pass(self.found.installations[0])
        self.found.backup(0)
        for _ in range(2):
            self.found.vote()
            self.found.go_on()
        self.found.run_pass(self.found.installations[0])

    def _one(self, which: int) -> installation.Installation:
        return self.found.installations[which % len(self.found.installations)]

    @property
    def _is_launched(self) -> bool:
        return self.found.provider.chain is not None

    # -- what happens anyway --------------------------------------------------------------------------

    @rule(which=WHICH, is_prompt=st.booleans())
    def run_pass(self, which: int, is_prompt: bool) -> None:
        self.found.run_pass(self._one(which), is_prompt=is_prompt)

    @rule(which=WHICH)
    def run_passes(self, which: int) -> None:
        """Let an installation come to rest, as its daemon does within a minute."""
        for _ in range(3):
            self.found.run_pass(self._one(which))
            self.found.block()

    @rule(blocks=st.integers(1, 4))
    def blocks(self, blocks: int) -> None:
        for _ in range(blocks):
            self.found.block()

    @precondition(lambda self: self.found.provider.phase is model.Phase.INITIALIZED)
    @rule()
    def launch(self) -> None:
        self.found.provider.launch()

    @precondition(lambda self: self._is_launched)
    @rule(choice=st.sampled_from(("", "again")))
    def vote(self, choice: str) -> None:
        self.found.vote(choice)

    @precondition(lambda self: self._is_launched)
    @rule(count=st.integers(1, 3))
    def go_on(self, count: int) -> None:
        for _ in range(count):
            self.found.vote()
            self.found.go_on()

    # -- harm to passes -------------------------------------------------------------------------------

    @rule(which=WHICH, effect=EFFECT, is_prompt=st.booleans())
    def kill_pass(self, which: int, effect: int, is_prompt: bool) -> None:
        one = self._one(which)
        one.run(kill_at=effect)
        if is_prompt:
            one.cluster.settle()
        one.cluster.holder.clear()

    @rule(which=WHICH, effect=EFFECT)
    def hold_pass(self, which: int, effect: int) -> None:
        one = self._one(which)
        if len(one.passes) < 2:
            one.run(hold_at=effect)

    @precondition(lambda self: any(one.passes for one in self.found.installations))
    @rule(which=WHICH, is_killed=st.booleans())
    def resume_pass(self, which: int, is_killed: bool) -> None:
        held = [held for one in self.found.installations for held in one.passes]
        chosen = held[which % len(held)]
        chosen.installation.cluster.holder.clear()  # the Leases expire meanwhile
        if is_killed:
            chosen.kill()
        else:
            chosen.go_on()

    @rule(which=WHICH, lie=st.sampled_from(provider.Lie))
    def lie(self, which: int, lie: provider.Lie) -> None:
        """Let the endpoint of the next pass err."""
        one = self._one(which)
        one.lie = lie
        self.found.run_pass(one)

    @rule(which=WHICH, lag=st.integers(1, 9))
    def lag(self, which: int, lag: int) -> None:
        """Let the endpoint of the next pass lag behind."""
        self._one(which).lag = lag

    # -- harm to machines and pods --------------------------------------------------------------------

    @rule(which=WHICH, is_prompt=st.booleans())
    def force_delete(self, which: int, is_prompt: bool) -> None:
        """Delete the pod of a machine that is not reached, where its containers still run."""
        one = self._one(which)
        pod = self.found.pod_of(one)
        if pod is None or one.cluster.is_shared_storage:
            return  # no promise is made for a shared file system without locks
        one.cluster.remove(pod, is_forced=True)
        if is_prompt:
            one.cluster.settle()

    @rule(which=WHICH, kind=st.sampled_from(("stop", "end", "lose", "cut off", "settle")))
    def harm_pod(self, which: int, kind: str) -> None:
        """Delete a pod, end a process, lose one that nobody may reach any more, cut it off or reconnect it, or wait."""
        one, processes = self._one(which), self.found.processes()
        process = self.found.process_of(one)
        if kind == "stop":
            self.found.stop_pod(one)
        elif kind == "settle":
            one.cluster.settle()
        elif kind == "lose" and processes:
            processes[which % len(processes)].stop()
        elif kind == "end" and process is not None:
            process.stop()
        elif kind == "cut off" and process is not None:
            process.is_cut_off = not process.is_cut_off

    @rule(which=WHICH)
    def scale(self, which: int) -> None:
        """Run `kubectl scale --replicas 2`."""
        one = self._one(which)
        for key, item in list(one.cluster.objects.of_kind("StatefulSet")):
            if key.namespace == one.namespace:
                spec = {**item["spec"], "replicas": 2}
                one.cluster.objects.items[key] = {**item, "spec": spec}
                one.cluster.objects.touched.add(key)
        one.cluster.settle()

    # -- harm to volumes and objects ------------------------------------------------------------------

    @rule(which=WHICH)
    def backup(self, which: int) -> None:
        self.found.backup(which % len(self.found.installations))

    @rule(which=WHICH)
    def wipe(self, which: int) -> None:
        self.found.wipe(self._one(which))

    @rule(which=WHICH)
    def lose_volume(self, which: int) -> None:
        self.found.lose_volume(self._one(which))

    @rule(which=WHICH)
    def restore_under_claim(self, which: int) -> None:
        position = which % len(self.found.installations)
        self.found.restore_under_claim(position)
        self._one(which).cluster.settle()

    @rule(which=WHICH, by=HOLDS, is_fresh=st.booleans())
    def restore_volume(self, which: int, by: str, is_fresh: bool) -> None:
        """Put back an older disk, or one of a block ago; the chain may be held in the pass that sees it."""
        if is_fresh:
            self.found.backup(which % len(self.found.installations))
            self.found.vote()
            self.found.go_on()
            self.found.vote()
        self.found.restore_volume(which % len(self.found.installations))
        self._hold(self._one(which), by)

    @rule(which=WHICH, by=HOLDS)
    def restore_namespace(self, which: int, by: str) -> None:
        self.found.restore_namespace(which % len(self.found.installations))
        self._hold(self._one(which), by)

    def _hold(self, one: installation.Installation, by: str) -> None:
        """Run a pass in which the chain has no definition, or the engine a question, or neither."""
        one.has_definition, one.has_question = by != "definition", by == "question"
        one.cluster.holder.clear()  # the Lease of a pass that hangs expires
        self.found.run_pass(one)

    @rule(which=WHICH, has_disk=st.booleans(), is_renamed=st.booleans())
    def copy_namespace(self, which: int, has_disk: bool, is_renamed: bool) -> None:
        one = self._one(which)
        self.found.copy_namespace(one, has_disk=has_disk, is_renamed=is_renamed)
        one.cluster.settle()

    @precondition(lambda self: len(self.found.installations) < 4)
    @rule(which=WHICH, has_disks=st.booleans())
    def restore_cluster(self, which: int, has_disks: bool) -> None:
        self.found.restore_cluster(self._one(which), has_disks=has_disks)

    @rule(which=WHICH)
    def lose_secret(self, which: int) -> None:
        self.found.lose_secret(self._one(which))

    @rule(which=WHICH)
    def confuse_keys(self, which: int) -> None:
        one = self._one(which)
        self.found.confuse_keys(one)
        one.cluster.settle()

    @rule(which=WHICH)
    def break_state(self, which: int) -> None:
        self.found.break_state(self._one(which))

    @rule(kind=st.sampled_from(CHAINS))
    def change_chains(self, kind: str) -> None:
        """Let the chains, their owner or the validator do something, or end what lasts."""
        chain = self.found.provider
        if kind == "leave" and chain.phase is model.Phase.LAUNCHED:
            chain.is_opted_in = False
        elif kind == "rejoin":
            self.found.installations[0].joins = True
        elif kind in ("jail", "unjail"):
            chain.is_jailed = kind == "jail"
        elif kind in ("break", "relay"):
            self.found.is_relaying = kind == "relay"
        elif kind == "wait":
            chain.time += provider.BLOCK * 3000
        elif kind == "change over" and chain.phase is model.Phase.INITIALIZED:
            chain.connection_id = "connection-0"
        elif kind == "new chain":
            chain.connection_id = ""
        elif kind in ("halt", "go on") and chain.chain is not None:
            chain.chain.is_halted = kind == "halt"
        elif kind == "round" and chain.chain is not None and not chain.chain.is_halted:
            chain.chain.next_round()

    # -- what operators, owners and chains do ---------------------------------------------------------

    @rule(which=WHICH, is_moving=st.booleans())
    def move(self, which: int, is_moving: bool) -> None:
        self._one(which).moves = is_moving

    @rule(which=WHICH, by=HOLDS)
    def hold(self, which: int, by: str) -> None:
        """Remove the chain's definition, or let the engine ask, either of which holds the chain; or end that."""
        self._hold(self._one(which), by)

    @precondition(lambda self: self._is_launched)
    @rule(is_halted=st.booleans(), passes=st.integers(1, 2))
    def reset(self, is_halted: bool, passes: int) -> None:
        """Lose the volume of the assigned key after a vote, and let it sign again by a reset."""
        chain, address = self.found.provider.chain, self.found.assigned()
        one = next((one for one in self.found.installations if address in one.own_addresses()), None)
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

    @precondition(lambda self: self._is_launched and self.found.remote is None)
    @rule(which=WHICH)
    def use_remote_signer(self, which: int) -> None:
        self.found.use_remote_signer(which % len(self.found.installations))

    @precondition(lambda self: self.found.remote is not None)
    @rule()
    def leave_remote_signer(self) -> None:
        self.found.vote()
        self.found.leave_remote_signer()

    # -- what must hold -------------------------------------------------------------------------------

    @invariant()
    def places(self) -> None:
        """No place is used twice; that no key signs twice, and what is sent, is checked where it happens."""
        Counted.steps += 1
        if hasattr(self, "found"):
            self.found.check_places()
            if not self.is_quiet:
                self.found.vote()

    def teardown(self) -> None:
        """Ask whether all is well in the end."""
        if hasattr(self, "found"):
            calm.settle_all(self.found)
