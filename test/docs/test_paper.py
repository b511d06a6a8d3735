"""docs/paper.md comes from its generator, and every cell of the paper has its mark."""

import importlib.util
import os
from pathlib import Path
import re
from typing import Dict, List

import pytest

DOCS = Path(__file__).resolve().parents[2] / 'docs'


@pytest.fixture(scope='module')
def paper():
    spec = importlib.util.spec_from_file_location('paper', str(DOCS / 'paper.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tables(page: Path) -> Dict[str, List[List[str]]]:
    """Return the rows of cells by the table's title."""
    found: Dict[str, List[List[str]]] = {}
    for line in page.read_text(encoding='utf-8').splitlines():
        if line.startswith('## '):
            rows = found[line[3:]] = []
        elif re.match(r'\| (?!cell)', line):
            rows.append([cell.strip() for cell in line.strip('| ').split(' | ')] if ' |  | ' not in line else
                        [cell.strip() for cell in line[2:-2].split(' | ')])
    return found


def test_every_cell_is_marked_and_the_page_is_the_generators(paper, tmp_path):
    camvid = os.environ.get('ENET_CAMVID')
    assert paper.main(['--quick', '--output', str(tmp_path / 'p.md'), '--image', str(tmp_path / 'p.png'),
                       *(['--camvid', camvid] if camvid else [])]) == 0
    quick, committed = tables(tmp_path / 'p.md'), tables(DOCS / 'paper.md')
    assert [len(rows) for rows in committed.values()] == [29, 12, 6, 8, 39, 6, 4]
    for page in (quick, committed):
        for name, _, ours, mark, how in [row for rows in page.values() for row in rows]:
            assert mark in (paper.REPRODUCED, paper.OTHER, paper.NOT_RUN) and how, name
            assert bool(ours) == (mark != paper.NOT_RUN) and ('`' in how or not ours), name
    for title, rows in quick.items():
        assert [row[:2] for row in rows] == [row[:2] for row in committed[title]]
        if title[:7] in ('Table 1', 'Table 3', 'Figure '):      # the same on every machine
            assert rows == committed[title]
    assert all(row[3] == paper.REPRODUCED for row in quick['Table 1: architecture'])
    scored = [row for row in quick['Table 5: CamVid, test set'] if row[0].startswith('ENet, ') and row[2]]
    assert len(scored) == (13 if camvid else 2)


def test_another_network_is_not_called_reproduced(paper, monkeypatch):
    wrong = [('bottleneck2.2', 'dilated 3', (128, 64), 'encoder.section2.1'),
             ('bottleneck2.3', '', (128, 64), 'encoder.section2.2'),
             ('fullconv', '', (20, 256), 'decoder.last')]
    monkeypatch.setattr(paper, 'TABLE_1', wrong)
    assert [cell.mark for cell in paper.table_1()] == [paper.OTHER] * 3
    time = dict(network='enet', height=360, width=640, peer=False, engine='torch', median_ms=69.0, rate_hz=14)
    marks = {cell.name: cell.mark for cell in paper.table_2([time], {'processor': 'x', 'cores': 2})}
    assert marks['ENet, TX1, 640x360'] == paper.OTHER and marks['ENet, TX1, 480x320'] == paper.NOT_RUN
