"""Listening sockets, and one clear sentence where a door is already taken."""

from __future__ import annotations

import socket


def listen(kind: socket.SocketKind, host: str, port: int, what: str) -> socket.socket:
    """A bound socket (TCP: listening); port 0 takes a free one. Raises OSError with one sentence."""
    try:
        family = socket.getaddrinfo(host, port, type=kind)[0][0]
    except socket.gaierror as error:
        raise OSError(f"{what} cannot listen on {host}: {error.strerror}") from None
    door = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        if kind == socket.SOCK_STREAM:
            door.listen(1024)
    except OSError as error:
        door.close()
        why = error.strerror or str(error)
        raise OSError(f"{what} cannot listen on {host}:{port}: {why} (listen: in soc.yaml chooses another)") from None
    door.setblocking(False)
    return door
