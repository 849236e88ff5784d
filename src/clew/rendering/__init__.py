"""Pictures of mazes as text, pixels and SVG, and plots of numbers; used by the terminal, notebooks and the page.

picture        Picture: the contents, data only
output         Drawing: a picture that can be shown and saved
svg, pixels, text, scenes    renderers: SVG, an array of pixels, plain text, coloured text for terminals
film           animated GIF of several pictures
plots          line and dot plots with Matplotlib
colours, legend, cells, paths, strokes, pillow, grades    what these share
"""
