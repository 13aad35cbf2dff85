"""Whatever tests draw at random comes from one seed, which pytest tells; SEED=N draws it again."""

import os
import random

# In the environment, for the processes that share the tests out.
SEED = int(os.environ.setdefault("SEED", str(random.SystemRandom().randrange(1 << 32))))


def dice(*about):
    """A source of its own for each test: what others draw does not change it."""
    return random.Random(f"{SEED} {about}")
