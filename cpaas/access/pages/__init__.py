"""The web console as core serves it: files built beforehand, and a page while there are none."""
