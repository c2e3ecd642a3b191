"""Records on disk: read, written once, and never edited; provenance lies beside them. Published, they are compact."""

from cnnlab.records.coding import RecordError
from cnnlab.records.compact import thinned
from cnnlab.records.store import Store, require_writable

__all__ = ["RecordError", "Store", "require_writable", "thinned"]
