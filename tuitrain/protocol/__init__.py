"""The words: what a run says (events), what it can be asked (commands), and how both are written.

Plain numbers and strings in frozen structs; nothing here knows torch, a terminal or a file.
"""
