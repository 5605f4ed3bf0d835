"""One module a command: what is asked, and what is done with it. Shared: `base`, `options`, `reading`, `output`."""
