"""Check whether a download server can be reached; takes seconds, also where packets are dropped."""

import queue
import socket
import threading
import time
import urllib.request
from collections.abc import Iterable
from urllib.parse import urlsplit

PATIENCE = 4.0
"""Seconds until no answer is an answer. A name look-up knows no time-out of its own, hence the threads below."""

PORTS = {"http": 80, "https": 443, "ftp": 21}


def _address(url: str) -> tuple[str, int]:
    """Host and port a download of that URL first connects to: the configured proxy's, or the server's."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    if parts.scheme in proxies and not urllib.request.proxy_bypass(parts.hostname or ""):
        proxy = proxies[parts.scheme]
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or PORTS[parts.scheme]


def reachable(urls: Iterable[str]) -> bool:
    """Whether a server of at least one of the URLs accepts a connection within `PATIENCE` seconds."""
    answers: queue.Queue[bool] = queue.Queue()

    def knock(address: tuple[str, int]) -> None:
        try:
            socket.create_connection(address, timeout=PATIENCE).close()
            answers.put(True)
        except OSError:
            answers.put(False)

    addresses = {_address(url) for url in urls}
    for address in addresses:
        threading.Thread(target=knock, args=(address,), daemon=True).start()
    deadline = time.monotonic() + PATIENCE
    for _ in addresses:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except queue.Empty:
            return False
    return False
