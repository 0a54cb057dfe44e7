"""The rules of the model: what happens, what harm is done, and what must hold after each of them; see `sequences`."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from ics import model
from tests.model import calm, provider, sequences, universe
from tests.model.sequences import HOLDS, WHICH

EFFECT = st.integers(1, 24)
CHAINS = (
    *("leave", "rejoin", "rejoin", "jail", "unjail", "unjail", "break", "relay", "relay", "wait", "wait"),
    *("change over", "new chain", "new chain", "halt", "go on", "go on", "round", "round"),
)


class Counted:
    """Executed rules of this process."""

    steps = 0
    examples = 0


class Signing(sequences.Sequences):
    """Two or three installations of one validator, a provider and a consumer chain, and harm."""

    is_quiet: bool

    @initialize(
        is_shared=st.sampled_from((False, False, True)),
        waits=st.sampled_from((False, False, True)),
        start=st.sampled_from(("signs", "signs", "signs", "signs", "joined", "joined", "nothing")),
        is_quiet=st.sampled_from((False, False, True)),
    )
    def begin(self, is_shared: bool, waits: bool, start: str, is_quiet: bool) -> None:
        """Create everything; in most runs the first installation signs already, and its namespace has a backup.

        Args:
            is_shared: whether volumes are on a shared file system without locks.
            waits: whether lost keys wait for the operator.
            start: whether the first installation signs already, or has only joined the chain.
            is_quiet: whether nodes vote only when a rule says so, instead of after each rule.
        """
        Counted.examples += 1
        self.is_quiet = is_quiet
        self.found = universe.create(is_shared_storage=is_shared, lost_volume="wait" if waits else "rekey")
        if start == "nothing":
            return
        for _ in range(3):
            self.found.run_pass(self.found.installations[0])
        if start == "joined":
            return
        self.found.provider.launch()
        for _ in range(3):
            self.found.run_pass(self.found.installations[0])
        self.found.backup(0)
        for _ in range(2):
            self.found.vote()
            self.found.go_on()
        self.found.run_pass(self.found.installations[0])

    # -- what happens anyway --------------------------------------------------------------------------

    @rule(which=WHICH, is_prompt=st.booleans())
    def run_pass(self, which: int, is_prompt: bool) -> None:
        self.found.run_pass(self.one(which), is_prompt=is_prompt)

    @rule(which=WHICH)
    def run_passes(self, which: int) -> None:
        """Let an installation come to rest, as its daemon does within a minute."""
        for _ in range(3):
            self.found.run_pass(self.one(which))
            self.found.block()

    @rule(blocks=st.integers(1, 4))
    def blocks(self, blocks: int) -> None:
        for _ in range(blocks):
            self.found.block()

    @precondition(lambda self: self.found.provider.phase is model.Phase.INITIALIZED)
    @rule()
    def launch(self) -> None:
        self.found.provider.launch()

    @precondition(lambda self: self.is_launched)
    @rule(choice=st.sampled_from(("", "again")))
    def vote(self, choice: str) -> None:
        self.found.vote(choice)

    @precondition(lambda self: self.is_launched)
    @rule(count=st.integers(1, 3))
    def go_on(self, count: int) -> None:
        for _ in range(count):
            self.found.vote()
            self.found.go_on()

    # -- harm to passes -------------------------------------------------------------------------------

    @rule(which=WHICH, effect=EFFECT, is_prompt=st.booleans())
    def kill_pass(self, which: int, effect: int, is_prompt: bool) -> None:
        one = self.one(which)
        one.run(kill_at=effect)
        if is_prompt:
            one.cluster.settle()
        one.cluster.holder.clear()

    @rule(which=WHICH, effect=EFFECT)
    def hold_pass(self, which: int, effect: int) -> None:
        one = self.one(which)
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
        one = self.one(which)
        one.lie = lie
        self.found.run_pass(one)

    @rule(which=WHICH, lag=st.integers(1, 9))
    def lag(self, which: int, lag: int) -> None:
        """Let the endpoint of the next pass lag behind."""
        self.one(which).lag = lag

    # -- harm to machines and pods --------------------------------------------------------------------

    @rule(which=WHICH, is_prompt=st.booleans())
    def force_delete(self, which: int, is_prompt: bool) -> None:
        """Delete the pod of a machine that is not reached, where its containers still run."""
        one = self.one(which)
        pod = self.found.pod_of(one)
        if pod is None or one.cluster.is_shared_storage:
            return  # no promise is made for a shared file system without locks
        one.cluster.remove(pod, is_forced=True)
        if is_prompt:
            one.cluster.settle()

    @rule(which=WHICH, kind=st.sampled_from(("stop", "end", "lose", "cut off", "settle")))
    def harm_pod(self, which: int, kind: str) -> None:
        """Delete a pod, end a process, lose one that nobody may reach any more, cut it off or reconnect it, or wait."""
        one, processes = self.one(which), self.found.processes()
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

    # -- harm to volumes and objects ------------------------------------------------------------------

    @rule(which=WHICH)
    def backup(self, which: int) -> None:
        self.found.backup(self.found.installations.index(self.one(which)))

    @rule(which=WHICH, is_stopped=st.booleans())
    def wipe(self, which: int, is_stopped: bool) -> None:
        self.found.wipe(self.one(which), is_stopped=is_stopped)

    @rule(which=WHICH)
    def lose_volume(self, which: int) -> None:
        self.found.lose_volume(self.one(which))

    @rule(which=WHICH)
    def restore_under_claim(self, which: int) -> None:
        position = self.found.installations.index(self.one(which))
        self.found.restore_under_claim(position)
        self.one(which).cluster.settle()

    @rule(which=WHICH, by=HOLDS)
    def restore_namespace(self, which: int, by: str) -> None:
        self.found.restore_namespace(self.found.installations.index(self.one(which)))
        self.hold(self.one(which), by)

    @rule(which=WHICH, has_disk=st.booleans(), is_renamed=st.booleans())
    def copy_namespace(self, which: int, has_disk: bool, is_renamed: bool) -> None:
        one = self.one(which)
        self.found.copy_namespace(one, has_disk=has_disk, is_renamed=is_renamed)
        one.cluster.settle()

    @precondition(lambda self: len(self.found.installations) < 4)
    @rule(which=WHICH, has_disks=st.booleans())
    def restore_cluster(self, which: int, has_disks: bool) -> None:
        self.found.restore_cluster(self.one(which), has_disks=has_disks)

    @rule(which=WHICH)
    def lose_secret(self, which: int) -> None:
        self.found.lose_secret(self.one(which))

    @rule(which=WHICH)
    def break_state(self, which: int) -> None:
        self.found.break_state(self.one(which))

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
        self.one(which).moves = is_moving

    @rule(which=WHICH, by=HOLDS)
    def begin_to_hold(self, which: int, by: str) -> None:
        """Remove the chain's definition, or let the engine ask, either of which holds the chain; or end that."""
        self.hold(self.one(which), by)

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
