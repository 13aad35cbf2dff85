"""Whatever tests draw at random comes from one seed, which pytest tells; SEED=N draws it again."""

import os
import random

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))


def dice(*about):
    """A source of its own for each test: what others draw does not change it."""
    return random.Random(f"{SEED} {about}")
