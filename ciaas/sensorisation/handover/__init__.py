"""Handing over: rows become frames, frames wait on disk until the stream has them."""
