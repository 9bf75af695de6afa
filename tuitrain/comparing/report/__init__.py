"""A comparison for people who were not there: one file, by its suffix a page, a text or a picture.

`contents` what is said, `from_comparison` says it of a comparison · `chart` and `sheet` lay it out as marks
(`drawing`), which become SVG (`vector`) or pixels (`raster`) · `page` HTML · `markdown` · `writing` the file.
"""
