"""The core: what mentions mean. Pure functions on frozen records; no Kafka, clock, log, async, randomness or environment."""
