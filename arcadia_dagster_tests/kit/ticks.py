"""File systems count time in ticks of 4 or 10 ms: two changes within one look as if they were at the same time."""

from pathlib import Path


def wait_for_the_tick_after(path: Path) -> None:
    """Wait until what is changed now is later than the file's last change."""
    probe = path.with_name(f".{path.name}.tick")
    probe.touch()
    while probe.stat().st_ctime_ns <= path.stat().st_ctime_ns:
        probe.touch()
    probe.unlink()
