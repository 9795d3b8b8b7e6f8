"""Recordings, looked at again: traces of their threads, other thresholds on them, and the report.

Law of this folder: a mention is followed by `streams.judge.follow`, as live; what is found is weighed by
`streams.tuning`. Here files and topics are read, and pages are written.
"""
