"""Bluesky's public posts, by Jetstream."""
