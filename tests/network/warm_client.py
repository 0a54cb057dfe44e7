"""`python -IS warm_client.py SOCKET ARGUMENTS…`: runs `python ARGUMENTS…` by a warm server, as this very process.

It loads next to nothing, so that a shell pays for one short process and not for the import of the product.
"""

import json
import os
import signal
import socket
import sys

_INTERRUPTED = 130


def main() -> int:
    """Hand the command over, with this process's output, and answer its exit code."""
    address, *arguments = sys.argv[1:]
    order = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"."], [1, 2])
        connection.sendall(json.dumps(order).encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("r") as answers:
            process = int(answers.readline())
            for number in (signal.SIGINT, signal.SIGTERM):
                # It is told what this process is told, for it is what was started.
                signal.signal(number, lambda given, _: os.kill(process, given))
            code = answers.readline()
    return int(code) if code else _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
