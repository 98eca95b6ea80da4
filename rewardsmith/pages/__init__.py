"""Pages of jobs as HTML and SVG, made from the database alone; the web server and the offline report share them."""
