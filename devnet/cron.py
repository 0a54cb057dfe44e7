"""Substitute for cron on the local network, which runs each validator's reconciler periodically with `--once`.

One daemon serves all hosts. Its log contains the output of each pass that differs from the previous one.
"""

import subprocess
import sys
import threading
import time

from devnet import places, plan, processes

OWNER = "network"
PROGRAM = "cron"
EVERY_SECONDS = 4.0
"""Seconds between the end of one pass and the start of the next."""


def start() -> None:
    """Start the program unless it is running; `devnet.network.down` ends it."""
    command = ["env", f"PYTHONPATH={places.CHECKOUT}", f"ICS_DEVNET_STATE={places.state()}", sys.executable]
    processes.start(OWNER, PROGRAM, [*command, "-P", "-m", "devnet.cron"])


def stop() -> None:
    """End the program together with a running pass, which every pass must tolerate."""
    processes.end(OWNER, PROGRAM)


def _repeat(name: str) -> None:
    previous = ""
    while True:
        command = [sys.executable, str(places.CHECKOUT / "reconcile.py"), "--once", "--stack", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # Heights change with every pass and are ignored.
        output = (
            "\n".join(line for line in done.stdout.splitlines() if " at height " not in line) + done.stderr
        )
        if output != previous:
            stamp = time.strftime("%H:%M:%S")
            print(f"--- {stamp} {name}: exit {done.returncode}\n{done.stdout}{done.stderr}", flush=True)
            previous = output
        time.sleep(EVERY_SECONDS)


def main() -> None:
    """Run one thread per validator until the process ends."""
    for host in plan.HOSTS:
        threading.Thread(target=_repeat, args=(host.name,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
