"""Every channel of every layer, for one image: what a net makes of it on the way to its answer."""

from experiments.page.member import Member
from experiments.page.member_data import softmax
from experiments.page.view import Content, Context, Json, View


def make(context: Context) -> Content | None:
    """All members and their images."""
    if not context.members:
        return None
    member = context.members[0]
    maps = [found for found in member.maps.values() if found.ndim == 4]
    image, *made = (found[0] for found in maps)
    channels, numbers = sum(found.shape[2] for found in made), sum(found.size for found in made)
    finding = (
        f"Of the {image.size} pixels of an image the first of these nets makes {numbers:,} numbers in {channels} maps "
        f"before it answers; the last maps have {made[-1].shape[0]}x{made[-1].shape[1]} numbers each."
    )
    static = {
        "rows": [_answer(member) for member in context.members],
        "nets": context.net_names,
        "trained": context.trained,
    }
    return Content(finding=finding, static=static)


def _answer(member: Member) -> dict[str, Json]:
    """What a member says of each image."""
    shares = softmax(member.maps[member.network.output])
    told = [
        f"{image.title}: {int(share.argmax())} ({100 * share.max():.0f} %)"
        for image, share in zip(member.images, shares, strict=True)
    ]
    return {"title": member.title, "state": member.state, "told": told}


VIEW = View(
    order=15,
    title="Network",
    question="What does a net make of an image, layer by layer?",
    caveat="A map shows where a channel responds, not what it is for. An untrained net shows maps that look as "
    "telling as a trained one's: hold them against its answer.",
    make=make,
    reads_members=True,
    lacks="No net with weights was handed in.",
    claims=(
        "mp-discards-unneeded",
        "mp-late-starves-head",
        "act-adds-nonlinearity",
        "relu-positive-only",
        "pw-merges-cooccurring",
        "pw-filters-background",
    ),
)
