"""Where mentions come from, one file for each platform.

Law of this room: a source is a pure `parse` and a thin transport (`agents.sources.source`). Sources know
neither each other nor what becomes of what they find; `agents.sources.kinds` alone knows them all.
"""
