"""Work for a process that ends badly; a module of its own, because a spawned process imports it."""

import os
import signal


def die(group, argument) -> None:
    """End this process as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
