"""The ways by which a page reaches a person, one file each.

Law of this folder: a channel is a pure `render` and a thin `send`; it knows neither the other channels nor
the agents, and what it must know of a case is in the `Delivery`. It answers with Ok, TryAgain or GiveUp and
does not raise; the reason it gives names no address and quotes no answer, since both may hold a secret.
`registry` alone knows them all.
"""
