"""The page of a report in a real browser: all of it is there, and a telephone shows it whole.

The browser is Chromium, from Debian's own packages where they can be had.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from executor.audit import Report, Status, audit
from executor.audit.page import to_html

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (360, 1_280)
PATIENCE_S = 60
INSTALL_S = 300
#: Tells of the page in a frame of a width what a reader could not see by scrolling down alone.
FRAME = """<!DOCTYPE html><body style="margin:0">
<iframe id="f" src="report.html" style="border:0;width:{width}px;height:4000px"></iframe>
<pre id="told"></pre><script>
document.getElementById("f").onload = () => {{
  const page = document.getElementById("f").contentDocument, root = page.documentElement;
  const wide = [...page.querySelectorAll("*")].filter(
    (e) => e.getBoundingClientRect().right > {width} + 1).map((e) => e.tagName);
  document.getElementById("told").textContent = JSON.stringify(
    [root.scrollWidth, wide, page.querySelectorAll("details").length, root.innerText]);
}};
</script></body>"""


def find() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def browser() -> str:
    if (found := find()) is not None:
        return found
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip("there is no Chromium, and this user cannot install one")
    quiet = ["apt-get", "-qq", "-y", "--no-install-recommends"]
    try:
        for step in (["update"], ["install", "chromium"]):
            subprocess.run([*quiet, *step], check=True, capture_output=True, timeout=INSTALL_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"Chromium cannot be installed here: {error}")
    found = find()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def report() -> Report:
    return audit(
        only=["network", "secrets"],
        attacks=["network.tcp", "secrets.environment", "jail.network.tcp4"],
        without=["network namespace"],
    )


def browse(browser: str, path: Path, *options: str) -> str:
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--allow-file-access-from-files", "--virtual-time-budget=5000"),
            *(f"--user-data-dir={path.parent}/profile", *options, path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_never_wider_than_its_screen_and_all_of_it_is_shown(
    browser: str, report: Report, tmp_path: Path, width: int
) -> None:
    import json

    (tmp_path / "report.html").write_text(to_html(report))
    (tmp_path / "frame.html").write_text(FRAME.format(width=width))

    dom = browse(browser, tmp_path / "frame.html", "--dump-dom")

    told = re.search(r'<pre id="told">(.*?)</pre>', dom, re.DOTALL)
    assert told is not None
    scroll_width, too_wide, count, text = json.loads(html.unescape(told[1]))
    assert scroll_width <= width
    assert too_wide == []
    assert count == len(report.results) == 3
    assert "Broken: network" in text
    for cell in report.matrix:
        assert cell.guarantee in text
    for name in ("kernel", "wasmtime", "processors"):
        assert name in text
    bitten = next(r for r in report.results if r.status is Status.BIT)
    assert bitten.evidence in text  # what is wrong stands open
    assert "Left out on purpose: network namespace" in text


def test_the_page_can_be_printed(browser: str, report: Report, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(to_html(report))

    browse(browser, tmp_path / "report.html", f"--print-to-pdf={tmp_path}/report.pdf")

    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
