"""Asks a page questions in a real browser."""

import json
from pathlib import Path
import re
import shutil
import subprocess
import tempfile
from typing import Any

import pytest

FLAGS = ('--headless --no-sandbox --disable-gpu --disable-quic --no-first-run '
         '--disable-background-networking --disable-component-update --disable-sync').split()


def ask(page: Path, body: str, width: int = 1280) -> Any:
    """Return what the body of an async JavaScript function returns in the page, which is shown `width` wide.

    Headless windows are no narrower than 500 pixels: a frame of that width holds the page.
    """
    browser = shutil.which('chromium') or shutil.which('google-chrome')
    if browser is None:
        pytest.skip('no Chromium')
    asked = page.with_name('asked.html')
    script = ('<script>(async () => {%s})().then(answer => parent.postMessage(answer, "*"), '
              'error => parent.postMessage("failed: " + error, "*"))</script>' % body)
    asked.write_text(page.read_text().replace('</body>', script + '</body>'))
    frame = page.with_name('frame.html')
    frame.write_text('<!DOCTYPE html><body><script>onmessage = event => document.body.textContent = '
                     '"[[" + JSON.stringify(event.data) + "]]"</script>'
                     f'<iframe src="asked.html" style="width: {width}px; height: 2000px"></iframe>')
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [browser, *FLAGS, f'--user-data-dir={profile}', '--window-size=1400,2000', '--dump-dom',
             '--virtual-time-budget=20000', frame.as_uri()],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, universal_newlines=True)
    answer = re.search(r'\[\[(.*)\]\]', done.stdout)
    assert answer, f'the page did not answer: {done.stdout[-300:]}'
    return json.loads(answer.group(1).replace('&quot;', '"').replace('&gt;', '>').replace('&lt;', '<'))
