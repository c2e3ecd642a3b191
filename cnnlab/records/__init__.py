"""Records on disk: read, written once, and never edited; provenance lies beside them."""

from cnnlab.records.coding import BadRecord
from cnnlab.records.store import Store, require_writable

__all__ = ["BadRecord", "Store", "require_writable"]
