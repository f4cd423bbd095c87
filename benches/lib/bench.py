"""What all benchmarks share: measuring a program, fitting growth, tables, and the facts about this machine.

Python's standard library alone. A benchmark is an executable `benches/<name>/run` that prints what it finds and, with
`--json FILE`, also writes it as {"title": ..., "commands": [...], "tables": [{"header": [...], "rows": [[...]]}], "notes": [...]}.
`benches/run` puts those into docs/performance.md.
"""

import argparse
import json
import math
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """A measured or needed program did not do what it should."""


def rebar_program():
    """The release build of rebar: $REBAR, or what cargo makes now."""
    given = os.environ.get("REBAR")
    if given:
        return given
    subprocess.run(["cargo", "build", "--release", "--quiet", "--bin", "rebar"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str(target / "release" / "rebar")


class Measured:
    """One run of a program: seconds, the largest process and all processes together (bytes), output."""

    def __init__(self, seconds, largest, together, code, output):
        self.seconds, self.largest, self.together = seconds, largest, together
        self.code, self.output = code, output


def _tree(root):
    """The processes below `root`, itself included, by one look at /proc."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    text = file.read()
            except OSError:
                continue
            parents[int(entry)] = int(text[text.rindex(")") + 1 :].split()[1])
    found, last = {root}, 0
    while len(found) != last:
        last = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def _own_memory(pid):
    """Memory of a process without what it shares with files, in bytes."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGESIZE")


def measure(command, cwd=None, env=None, good=(0,)):
    """Runs a program to its end. Its children are sampled four times a second, so short-lived ones may be missed in
    the sum; the largest process is exact (the kernel's own account)."""
    # A file and not a pipe: what outlives the program (the masters of SSH) would hold a pipe open, and be measured too.
    log = tempfile.TemporaryFile()
    begun = time.monotonic()
    child = subprocess.Popen(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
        stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    )
    together, done = [0], threading.Event()

    def sample():
        while not done.wait(0.25):
            together[0] = max(together[0], sum(_own_memory(pid) for pid in _tree(child.pid)))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:
        # Nothing that is measured goes on while a benchmark that was interrupted cleans up.
        os.killpg(child.pid, signal.SIGKILL)
        raise
    seconds = time.monotonic() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    done.set()
    sampler.join()
    log.seek(0)
    output = log.read().decode(errors="replace")
    largest = usage.ru_maxrss * 1024
    if child.returncode not in good:
        shown = " ".join(str(part) for part in command)
        raise Failed(f"`{shown}` ended with {child.returncode}:\n{output[-4000:]}")
    return Measured(seconds, largest, max(together[0], largest), child.returncode, output)


def quiet(command, **options):
    """Runs a program that is not measured; its output."""
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        **options,
    )
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise Failed(f"`{' '.join(str(part) for part in command)}` ended with {done.returncode}:\n{output[-4000:]}")
    return output


def exponent(points):
    """The exponent k of `y = c * x^k` by least squares on logarithms; `points` are (x, y)."""
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    count = len(logs)
    if count < 2:
        return float("nan")
    mean_x = sum(x for x, _ in logs) / count
    mean_y = sum(y for _, y in logs) / count
    above = sum((x - mean_x) * (y - mean_y) for x, y in logs)
    below = sum((x - mean_x) ** 2 for x, _ in logs)
    return above / below


def seconds(value):
    """`0.123 s`, `12.3 s`"""
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def mebibytes(value):
    """`12 MiB`"""
    return f"{value / 1048576:.0f} MiB"


def ratio(theirs, ours):
    """`37x`"""
    return f"{theirs / ours:.0f}x" if theirs / ours >= 10 else f"{theirs / ours:.1f}x"


def markdown(table):
    """A table as Markdown."""
    lines = ["| " + " | ".join(table["header"]) + " |", "|" + "---|" * len(table["header"])]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in table["rows"]]
    return "\n".join(lines)


def version_of(command):
    """The first line that a program prints about its version; empty if it is not there."""
    try:
        return quiet(command).strip().splitlines()[0]
    except (OSError, Failed, IndexError):
        return ""


def this_machine():
    """Processors, memory, kernel and distribution in one line."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    total = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    return f"{os.cpu_count()} processors ({model}), {total / 1048576:.0f} GiB, {release}, Linux {platform.release()}"


def arguments(about):
    """The command line of every benchmark; more options may be added before `parse_args`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", metavar="FILE", help="also write the findings there")
    return parser


def finish(options, findings):
    """Prints the findings and writes them where it was asked for."""
    print(f"\n## {findings['title']}\n")
    for table in findings["tables"]:
        print(markdown(table) + "\n")
    for note in findings["notes"]:
        print(f"- {note}")
    if options.json:
        Path(options.json).write_text(json.dumps(findings, indent=1))


def main(work):
    """Runs a benchmark; a failure is told in a few lines, and an interrupt still cleans up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        work()
    except Failed as failure:
        sys.exit(f"benchmark failed: {failure}")
