"""The installed script."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(sys.executable).with_name("askance")


def script(*words):
    """Run it in a process of its own; its exit status and all it printed."""
    done = subprocess.run([SCRIPT, *map(str, words)], capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, done.stdout + done.stderr
