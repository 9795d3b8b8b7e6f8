"""The shell: Faust agents, topics, settings, transport and the command line. Decides nothing about virality."""
