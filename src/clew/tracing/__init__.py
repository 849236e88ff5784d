"""Events of a run, and drawings of them over time.

trace      Trace: which process did what, and when
timeline   the execution graph: events as lanes in an SVG; `lanes`, `overview` and `axes` are its parts
page       the execution graph as an HTML page that can be zoomed
"""
