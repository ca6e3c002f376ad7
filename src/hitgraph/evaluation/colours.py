"""Colours of figures and displays (Okabe and Ito): for colour-blind readers, on white and black."""

GREY = "#8b949e"
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, SKY = "#D55E00", "#CC79A7", "#56B4E9"
