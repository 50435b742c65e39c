"""What a process that signs keeps out of dumps; how a web process collects and shares memory."""

import subprocess
import sys

import pytest

from orderengine.config.settings import PACKAGE_DIR

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


COLLECTIONS = """
import gc, weakref
from orderengine.process import memory
memory.LOOK_EVERY_S = 0.01
{setting}
class Own:
    pass
own = Own()
own.own = own
seen = weakref.ref(own)
gc.collect()
gc.collect()
memory.collect_fully_by_the_clock()
del own
while seen() is not None:
    {meanwhile}
print(gc.get_threshold()[2])
"""


@pytest.mark.parametrize(
    ("setting", "meanwhile"),
    [
        pytest.param("memory.FULL_COLLECTION_EVERY_S = 0.02", "pass", id="after a while"),
        pytest.param("memory.MOST_PROMOTIONS = 3", "gc.collect(1)", id="once much has become old"),
    ],
)
def test_old_garbage_is_collected_seldom_and_not_by_new_objects(
    setting: str, meanwhile: str
) -> None:
    program = COLLECTIONS.format(setting=setting, meanwhile=meanwhile)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) >= 1_000_000


SHARED = """
import gc, sys
from types import SimpleNamespace
from orderengine.webserver import gunicorn_conf
gunicorn_conf.pre_fork(None, SimpleNamespace())
visited, loaded = len(gc.get_objects()), set(sys.modules)
from orderengine.api.app import create_app
create_app()
later = [name for name in set(sys.modules) - loaded if name.startswith("orderengine")]
print(visited < 1_000, gc.get_freeze_count() > 50_000, later)
"""
NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}


def test_a_master_loads_all_code_and_no_collection_of_a_web_process_writes_to_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHARED],
        env={**NOWHERE, "AUTH": "off"},
        cwd=PACKAGE_DIR.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "True True []\n"
