"""The core: what mentions mean. Pure functions on frozen records; no clock, I/O, async or randomness."""
