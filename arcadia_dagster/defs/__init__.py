"""Everything that imports Dagster: assets, checks, jobs, sensors, schedules, and what starts and serves runs.

What belongs here: what Dagster needs to know of a step, a check or a run, and the transaction around it. What does not: the
work itself. A step's SQL is in `stages`, a push in `finance`, a list of what waits for a person in `reports`.
"""
