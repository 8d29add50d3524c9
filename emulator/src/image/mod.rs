//! File formats of firmware: parsers only, no policy.
