"""Plays cron on the local network: runs each validator's reconciler again and again, as `--once`.

One resident program for all hosts; what the reconcilers print is in its log, a block for each pass that
said something new.
"""

import subprocess
import sys
import threading
import time

from devnet import places, plan, processes

OWNER = "network"
PROGRAM = "cron"
EVERY_SECONDS = 4.0
"""From the end of one pass to the begin of the next."""


def start() -> None:
    """Starts the program unless it runs; `devnet.network.down` ends it with the rest."""
    words = ["env", f"PYTHONPATH={places.CHECKOUT}", f"ICS_DEVNET_STATE={places.state()}", sys.executable]
    processes.start(OWNER, PROGRAM, [*words, "-P", "-m", "devnet.cron"])


def stop() -> None:
    """Ends the program; a pass that runs is ended with it, which every pass must bear."""
    processes.end(OWNER, PROGRAM)


def _repeat(name: str) -> None:
    said = ""
    while True:
        command = [sys.executable, str(places.CHECKOUT / "reconcile.py"), "--once", "--stack", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # Heights change with every pass and are no news.
        news = "\n".join(line for line in done.stdout.splitlines() if " at height " not in line) + done.stderr
        if news != said:
            stamp = time.strftime("%H:%M:%S")
            print(f"--- {stamp} {name}: exit {done.returncode}\n{done.stdout}{done.stderr}", flush=True)
            said = news
        time.sleep(EVERY_SECONDS)


def main() -> None:
    """One thread for each validator; ends with the process."""
    for host in plan.HOSTS:
        threading.Thread(target=_repeat, args=(host.name,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
