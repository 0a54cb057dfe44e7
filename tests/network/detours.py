"""A TCP address that leads to a server of this machine, and can be closed for a while."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Detour:
    """It is open for as long as its context lasts, unless it is closed."""

    def __init__(self, port: int) -> None:
        """Listen nowhere yet.

        Args:
            port: of the server.
        """
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> "Detour":
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Refuse connections, and end those that are open, for as long as the context lasts."""
        self._close()
        try:
            yield
        finally:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.__enter__()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # its thread waits in accept
        self._listener.close()
        with self._lock:
            for one in self._connections:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(listener.accept()[0],), daemon=True).start()

    def _serve(self, here: socket.socket) -> None:
        with contextlib.suppress(OSError), here, socket.create_connection(self._target) as there:
            with self._lock:
                self._connections |= {here, there}
            try:
                back = threading.Thread(target=_copy, args=(there, here), daemon=True)
                back.start()
                _copy(here, there)
                back.join()
            finally:
                with self._lock:
                    self._connections -= {here, there}


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
