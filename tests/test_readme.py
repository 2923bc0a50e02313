"""The README's four journeys run as they stand, in a copy of the repository, but for one substitution: the preset.

A training of minutes becomes one of seconds: `--preset NAME` is run as `--preset smoke`. Nothing else is changed.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def journeys(text):
    """[(title, bash script)] of the section "Four journeys", one for each of its bash blocks."""
    section = re.search(r"^## Four journeys\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL).group(1)
    found = []
    for title, body in re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", section, re.MULTILINE | re.DOTALL):
        found += [(title, script) for script in re.findall(r"^```bash\n(.*?)^```", body, re.MULTILINE | re.DOTALL)]
    return found


JOURNEYS = journeys(README)


def with_smoke_preset(script):
    return re.sub(r"--preset([ =])\S+", r"--preset\1smoke", script)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository as git sees it, changes and new files included, but nothing that it ignores."""
    folder = tmp_path_factory.mktemp("repository")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def test_blocks_are_read_as_written():
    text = (
        "## Before\n```bash\nno\n```\n## Four journeys\n### One\n```bash\na --preset big -x\nb\n```\n"
        "words\n```python\nno\n```\n### Two\n```bash\nc --preset=big\n```\n## After\n```bash\nno\n```\n"
    )
    assert journeys(text) == [("One", "a --preset big -x\nb\n"), ("Two", "c --preset=big\n")]
    assert with_smoke_preset("a --preset big -x\nb\n") == "a --preset smoke -x\nb\n"
    assert with_smoke_preset("c --preset=big\n") == "c --preset=smoke\n"


def test_there_are_four_journeys_with_commands():
    assert len({title for title, _ in JOURNEYS}) == 4


def test_every_link_leads_somewhere():
    prose = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#]+)", prose)
    assert targets
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


def test_nothing_is_left_to_fill_in():
    assert re.findall(r"@[A-Z_]+@|TODO|FIXME", README) == []


@pytest.mark.slow
@pytest.mark.parametrize(("title", "script"), JOURNEYS, ids=[title for title, _ in JOURNEYS])
def test_a_journey_runs(title, script, copy):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(copy),
    }
    child = subprocess.run(
        ["bash", "-e", "-u", "-x", "-o", "pipefail", "-c", with_smoke_preset(script)],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=1200,
    )
    assert child.returncode == 0, f"{title}:\n{child.stderr[-3000:]}"
