"""Processes of an earlier release, out of this repository's history."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.processes import ROOT
from tests.e2e.stack import Stack

BEFORE_ORDER_TYPES = "bcff7bfeabe940fa0eec72f363e18c3539eaf7ff"
"""The latest commit whose schema ends with revision 0013: market orders alone."""


class EarlierStack(Stack):
    """The release, web and worker lines of another checkout; the libraries are this one's."""

    def __init__(
        self, checkout: Path, database_url: str, redis_url: str, folder: Path, **environ: str
    ) -> None:
        self.checkout = checkout
        super().__init__(database_url, redis_url, folder, **environ)


def unpack(commit: str, folder: Path) -> Path:
    """The files of a commit; a clone without the whole history skips the test."""
    if _git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        is_shallow = _git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        assert is_shallow, f"the history lacks commit {commit}"
        pytest.skip(f"a shallow clone has no commit {commit}: git fetch --unshallow")
    packed = _git("archive", commit)
    packed.check_returncode()
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
