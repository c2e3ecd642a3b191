"""The work queue: copies of a command, and sweeps that ask for the same arms, share the work by leases.

An arm that another process is training is left to it while there are others. In the end it is waited for, or taken
over as soon as that process is gone.
"""

import collections
from collections.abc import Callable, Iterator, Sequence

from cnnlab.records import Store
from cnnlab.records.lease import Lease
from cnnlab.training.arm import Training

Offers = Iterator[tuple[str, Training] | None]


class WorkQueue:
    """The arms that this process trains. Use as a context manager: leaving it releases what is still held."""

    def __init__(self, store: Store, arms: Sequence[str], say: Callable[[str], None]) -> None:
        self.store, self.say = store, say
        self._left = collections.deque(arms)
        self._held: dict[str, Lease] = {}
        self._told: set[str] = set()

    def __enter__(self) -> "WorkQueue":
        return self

    def __exit__(self, *_: object) -> None:
        for name in tuple(self._held):
            self.release(name)

    def release(self, name: str) -> None:
        """Release an arm that has its record or has failed."""
        self._held.pop(name).release()

    def offers(self, begin: Callable[[str], Training], found: Callable[[str], None]) -> Offers:
        """Yield each arm as it may be begun, and None where all that are left are being trained by others.

        Args:
            begin: makes the training of an arm, which is then held until it is released.
            found: told of an arm that another process has finished.
        """
        while self._left:
            for _ in range(len(self._left)):
                name = self._left.popleft()
                if self._take(name):
                    yield name, begin(name)
                elif self.store.has(name):
                    found(name)
                else:
                    self._left.append(name)
            if self._left:
                self._tell()
                yield None

    def _take(self, name: str) -> bool:
        """Take an arm, unless another has it or has finished it."""
        if self.store.has(name):
            return False
        lease = self.store.take(name)
        if lease is None:
            return False
        if self.store.has(name):  # finished between the two looks
            lease.release()
            return False
        self._held[name] = lease
        if not lease.firm:
            self._once(
                f"{self.store.root} knows no locks: other processes that train the same arms would not share them"
            )
        return True

    def _tell(self) -> None:
        """Print once which process is waited for, if there is nothing else to do."""
        if not self._held:
            others = sorted({self.store.holder(name) for name in self._left} - {""})
            arms = f"{len(self._left)} arm{'s are' if len(self._left) > 1 else ' is'}"
            self._once(f"{arms} being trained by {', '.join(others) or 'another process'}: waiting")

    def _once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.say(line)
