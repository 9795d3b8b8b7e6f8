"""The shell: agents, topics, settings, transport, command line. Decides nothing about virality."""
