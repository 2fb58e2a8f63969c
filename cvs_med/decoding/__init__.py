"""How files of many kinds become pictures of 8 bits; `cvs_med.images` is the door to all of them."""
