"""`make fuzz`: every reader of files against damaged ones, for ten minutes; exit code 1 where one fails.

Coverage-guided by Atheris (pip install atheris) where that is installed, by chance alone elsewhere. What
failed lies in out/fuzz/<target>/, the inputs that Atheris found interesting in out/fuzz/corpus/<target>/.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import os
from pathlib import Path
import random
import re
import subprocess
import sys
import time
import traceback
from typing import Dict, Iterator, List

HERE = Path(__file__).resolve().parent
OUT = Path('out/fuzz')
LEAST = 2000        # cases of a target in a run
_TOKENS = [b'\0' * 8, b'\xff' * 8, b'\xff\xff\xff\x7f', b'9' * 20, b'-1', b'NaN', b'1e999', b'[' * 50, b'{',
           b'*a', b'&a ', b'<<: ', b'!!', b'\n', b',', b'"', b'\xff\xda', b'PK\1\2', b'h\0', b'h\1\x86',
           b'CREATE VIEW ']


def cases(seeds: List[bytes], seed: int) -> Iterator[bytes]:
    """Yield damaged copies of the seeds without end: flips, cuts, repetitions, swaps, tokens."""
    chance = random.Random(seed)
    while True:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice([1, 1, 2, 4, 16])):
            at, kind = chance.randrange(len(data) + 1), chance.randrange(6)
            size = min(chance.choice([1, 4, 16, 64, 1000]), len(data) - at)
            if kind == 0 and at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            elif kind == 1 and at < len(data):
                data[at] = chance.choice([0, 255, chance.randrange(256)])
            elif kind == 2:
                del data[at:at + size]
            elif kind == 3:
                data[at:at] = data[at:at + size] * chance.choice([1, 3, 100])
            elif kind == 4:
                other = chance.choice(seeds)
                data[at:at + size] = other[at:at + size]
            else:
                data[at:at + (size if chance.random() < 0.5 else 0)] = chance.choice(_TOKENS)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data) + 1):]
        yield bytes(data[:1 << 20])


def by_chance(name: str, seed: int, seconds: float, least: int = LEAST) -> int:
    """Read damaged files for so long, `least` at least; return how many.

    An error is raised after its input was kept.
    """
    from fuzz_targets import TARGETS, check
    end, count = time.monotonic() + seconds, 0
    for data in cases(TARGETS[name].seeds(), seed):
        if count >= least and time.monotonic() > end:
            return count
        try:
            check(name, data)
        except BaseException:
            _keep(name, data)
            raise
        count += 1
    return count


def _keep(name: str, data: bytes) -> None:
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'failed_{len(list(folder.iterdir()))}').write_bytes(data)


def _branches(name: str, seed: int, seconds: float) -> int:
    """Read damaged files, and what Atheris kept; print which branches of the loaders were never taken."""
    import coverage
    measured = coverage.Coverage(branch=True, source=['enet_ros'], data_file=None, config_file=False)
    measured.start()
    from fuzz_targets import TARGETS, check
    for kept in sorted((OUT / 'corpus' / name).glob('*')):
        check(name, kept.read_bytes())
    count = by_chance(name, seed, seconds, LEAST // 4)
    measured.stop()
    report = OUT / f'branches_{name}.json'
    with contextlib.redirect_stdout(io.StringIO()):
        measured.json_report(outfile=str(report))
    for path, file in json.loads(report.read_text())['files'].items():
        if path.endswith(tuple('enet_ros/' + loader for loader in TARGETS[name].loaders)):
            total = file['summary']
            print('branches: {} {} of {}, never {}'.format(
                path, total['covered_branches'], total['num_branches'],
                ' '.join(f'{a}>{b}' for a, b in file['missing_branches']) or 'none'))
    return count


def _guided(name: str, seed: int, seconds: float) -> None:
    """Let libFuzzer drive one target; ends the process."""
    import atheris
    with atheris.instrument_imports(include=['enet_ros', 'yaml', 'zipfile', 'pickle']):
        from fuzz_targets import TARGETS, check
    corpus, found = OUT / 'corpus' / name, OUT / name
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(TARGETS[name].seeds()):
        (corpus / f'seed_{number}').write_bytes(data)
    atheris.Setup([sys.argv[0], f'-max_total_time={int(seconds)}', f'-seed={seed + 1}', '-timeout=60',
                   '-rss_limit_mb=4096', '-max_len=65536', f'-artifact_prefix={found}/',
                   '-print_final_stats=1', str(corpus)], lambda data: check(name, data))
    atheris.Fuzz()


WAYS = {'chance': by_chance, 'guided': _guided, 'branches': _branches}


def main() -> int:
    """Run all targets, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('targets', nargs='*')
    parser.add_argument('--seconds', type=float, default=600.0, help='for all targets together')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--one', choices=sorted(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        OUT.mkdir(parents=True, exist_ok=True)
        done = WAYS[options.one](options.targets[0], options.seed, options.seconds)
        print(f'cases: {done}')
        return 0
    from fuzz_targets import TARGETS
    names = options.targets or list(TARGETS)
    ways = [way for way, library in (('chance', 'enet_ros'), ('guided', 'atheris'), ('branches', 'coverage'))
            if importlib.util.find_spec(library)]
    failed, total = [], 0
    for name in names:
        for way in ways:
            command = [sys.executable, str(HERE / 'fuzz.py'), name, '--one', way, '--seed', str(options.seed),
                       '--seconds', str(options.seconds / len(names) / len(ways))]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env=_environment())
            told = done.stdout.decode('utf-8', 'replace')
            found = re.findall(r'cases: (\d+)|number_of_executed_units: (\d+)', told)
            count = int(''.join(found[-1])) if found else 0
            coverage = re.findall(r'cov: (\d+)', told)
            total += count
            print(f'{name:8} {way:7} {count:7} cases'
                  + (f', {coverage[-1]} branches' if coverage else '')
                  + ('' if done.returncode == 0 else f', FAILED ({OUT / name})'), flush=True)
            for line in re.findall('^branches: (.*)', told, re.M):
                print(' ' * 9 + line, flush=True)
            if done.returncode != 0:
                failed.append(name)
                print('\n'.join(told.splitlines()[-40:]))
    print(f'{total} cases, seed {options.seed}; failed: {", ".join(failed) or "none"}')
    return 1 if failed else 0


PATHS = [str(HERE), str(HERE.parent / 'training'), str(HERE.parent.parent)]


def _environment() -> Dict[str, str]:
    paths = PATHS + [path for path in [os.environ.get('PYTHONPATH', '')] if path]
    return dict(os.environ, PYTHONPATH=os.pathsep.join(paths), OPENCV_LOG_LEVEL='SILENT')


if __name__ == '__main__':
    sys.path[:0] = PATHS
    try:
        sys.exit(main())
    except Exception:
        traceback.print_exc()
        sys.exit(1)
