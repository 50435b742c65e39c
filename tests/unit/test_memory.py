"""What a process that signs keeps out of dumps."""

import subprocess
import sys

import pytest

DUMPS = """
import ctypes, resource, sys
from orderengine.process.memory import forbid_dumps
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
forbid_dumps()
dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
print(resource.getrlimit(resource.RLIMIT_CORE), dumpable)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is of Linux")
def test_a_process_that_forbids_dumps_leaves_none() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", DUMPS], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "(0, 0) 0\n"
