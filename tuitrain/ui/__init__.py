"""The picture: a Textual app that shows what a run has said and asks it for things."""
