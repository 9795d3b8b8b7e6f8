"""Who is on call for a case and may decide it: people, rotations, calendars, and what is wrong with them.

Law of this folder: who is asked for is decided by `streams.rotation` and `streams.authority`; here their
settings and calendars are read, kept up to date, and checked for holes.
"""
