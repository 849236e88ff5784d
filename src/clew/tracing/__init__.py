"""Events of a run, and how they are drawn over time.

trace      Trace: what was done when, by whom
timeline   the events as lanes in an SVG; `lanes`, `overview` and `axes` are its parts
page       the same as a page to zoom in
"""
