//! The air as a radio and a wire see it.

mod joining;
mod misbehaving;
mod robustness;
mod scanning;
mod station;
mod traffic;
mod virtual_station;
