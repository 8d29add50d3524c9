//! The tools of a firmware repository would be here; its scenarios are in `tests/`.
