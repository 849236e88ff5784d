"""Drawing: text, pixels and SVG, for the terminal, notebooks and the page alike."""
