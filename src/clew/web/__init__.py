"""The web page that `clew serve` starts. It contains no learning code: `clew.Trainer` learns, the page displays.

    server           start the web server; token check, visitor limit, the page itself
    playground       one visitor's maze and learner; independent of the browser
    worlds           the worlds that the page opens: names and limits; independent of the browser
    playground_tab   the tab "Playground": maze editor, controls, figures, settings; uses canvas and charts
    canvas           the NiceGUI element that draws the maze, with canvas.js
    frames           encode a playground as the bytes that canvas.js draws
    curve            learning curve of a playground, thinned to a few hundred points
    charts           learning curves as ECharts, and lists of figures
    export           Python code, command and files that reproduce what was learned on the page
    staleness        runs that measure what stale values and tie-breaking cost; independent of the browser
    lesson_tab       the tab "Stale values", which shows these runs
    listing          read, compare and open run folders; independent of the browser
    runs_tab         the tab "Runs"
    live             one training run over Ray in the background; independent of the browser
    cluster_tab      the tab "Cluster"

This package is the only one that imports NiceGUI.
"""
