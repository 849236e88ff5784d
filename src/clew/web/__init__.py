"""The page: `clew serve`. Nothing here learns; it asks `clew.Trainer`, and shows what came of it.

    playground   what a visitor does: a world that is learned, painted, stepped; knows nothing of browsers
    takeaway     the code and the command that come to the same table
    curve        what episodes came to
    frames       what is drawn, as bytes
    canvas       the one element of our own, with canvas.js, which draws them
    learn        the page's first part: the playground; charts has its curves
    lesson       the chapter's lesson: stale values, and ties
    runs         run folders, side by side
    cluster      a run over Ray, live
    server       what is served to whom: address, token, limits

NiceGUI draws the rest. This folder is the only place that imports it.
"""
