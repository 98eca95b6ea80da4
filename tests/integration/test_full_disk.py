"""A disk that fills up while a job runs: the error has cause and remedy, and no finished work is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from running import FEW_EPISODES, clean_environment

MEGABYTES = 48
# The folder is a separate disk in a mount namespace that ends with the script. The same command is run each time
# with the given number of free kilobytes, and finally with enough space.
SCRIPT = """
mount -t tmpfs -o size={size}m tmpfs "$PLACE" || exit 77
cd "$PLACE"
for free in {free}; do
    head -c $(($(df -k --output=avail . | tail -1) - free))k /dev/zero > ballast
    "$@" > "$OUT/$free.out" 2> "$OUT/$free.err"; echo $? > "$OUT/$free.code"
    rm ballast
    "$PYTHON" -m rewardsmith tree latest > "$OUT/$free.tree" 2>&1
done
"$@" > "$OUT/again.out" 2> "$OUT/again.err"; echo $? > "$OUT/again.code"
"$PYTHON" -m rewardsmith ls --format json > "$OUT/jobs.json"
"""
COMMAND = [
    *("run", "--task", "MiniGrid-Empty-5x5-v0", "--method", "free", "--iterations", "1", "--samples", "1"),
    *("--steps", "20000", "--confirm", "1", "--set", "verification=false", *FEW_EPISODES),
]


FREE = (300, 2500)


@pytest.mark.slow
def test_a_full_disk_is_reported_and_the_same_command_resumes(tmp_path):
    if shutil.which("unshare") is None:
        pytest.skip("unshare is missing: apt-get install util-linux")
    place, out = tmp_path / "disk", tmp_path / "out"
    place.mkdir()
    out.mkdir()
    script = SCRIPT.format(size=MEGABYTES, free=" ".join(map(str, FREE)))
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    ran = subprocess.run(
        ["unshare", "--mount", *user, "sh", "-c", script, "sh", sys.executable, "-P", "-m", "rewardsmith", *COMMAND],
        env={**clean_environment(), "PLACE": str(place), "OUT": str(out), "PYTHON": sys.executable},
        timeout=300,
    )
    if ran.returncode == 77:
        pytest.skip("this machine allows no mount: run as root to see what a full disk does")
    for free in FREE:
        output = (out / f"{free}.err").read_text()
        assert (out / f"{free}.code").read_text().strip() == "1", output
        error = output[output.index("error:") :].strip().splitlines()
        assert len(error) == 2 and "Traceback" not in output
        assert "full" in error[0].lower() or "no space" in error[0].lower()
    assert (out / "again.code").read_text().strip() == "0", (out / "again.err").read_text()
    jobs = json.loads((out / "jobs.json").read_text())
    assert [job["state"] for job in jobs] == ["done"], "the same command must go on with the same job"
