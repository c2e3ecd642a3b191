"""Records on disk: read, written once, and never edited; provenance lies beside them."""

from cnnlab.records.store import BadRecord, Store

__all__ = ["BadRecord", "Store"]
