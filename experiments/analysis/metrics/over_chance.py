"""How much better than a guess a net is."""

from cnnlab.spec.record import Record


def values(record: Record, condition: str) -> tuple[float, ...]:
    """Test accuracy minus that of a guess, a fraction; 0 for a diverged member."""
    chance = 1 / record.config["task"]["classes"]
    return tuple(accuracy - chance for accuracy in record.finals[condition].test_accuracy)
