"""Clocks that a test moves, and pauses that nobody waits for."""

NOW = 1_777_593_600.0  # 2026-05-01 00:00:00 UTC


class Sleeper:
    """Notes the pauses instead of taking them, and moves a clock by them."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.now = NOW

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now
