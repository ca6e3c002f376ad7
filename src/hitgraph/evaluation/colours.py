"""Colours of figures and displays: for colour-blind readers, on white and black.

Of Okabe and Ito, and two that go with them.
"""

GREY = "#8b949e"
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, SKY = "#D55E00", "#CC79A7", "#56B4E9"
OLIVE, BROWN = "#999933", "#A65628"
