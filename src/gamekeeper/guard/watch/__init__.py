"""The process beside the guard: keeps what was answered, links it, and says which accounts act as
one.

    guard --rows, JSON lines--> log on disk -> window of recent days -> campaigns --findings, JSON
    lines--> guard

The log is in hunt's own columns, so `gamekeeper hunt` and `gamekeeper replay` read it as it is.
"""
