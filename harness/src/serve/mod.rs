//! A served board: it keeps running, at wall time, for outside tools.
//!
//! ```text
//! client ◀─▶ door (tokio) ─bytes─▶ machine (own thread) ─▶ board
//!                         ◀─ring──
//! ```
//!
//! The machine lets device time pass in slices of at most a millisecond and never gets ahead of wall
//! time ([`pacer`]). What clients send takes effect at the start of a slice, and only as fast as the
//! board's own serial line takes it; what the board says goes into a bounded [`ring`] per door. The
//! [`control`] socket is the hand that presses buttons and switches the power; [`gdb`] holds the board
//! and looks into it; [`jtag`] leads to the chip's own debug modules.

#[cfg(unix)]
pub mod control;
pub mod doors;
pub mod gdb;
#[cfg(unix)]
mod hand;
mod inbox;
pub mod jtag;
pub mod machine;
pub mod orders;
pub mod pacer;
#[cfg(unix)]
pub mod pty;
pub mod remote;
mod rfc2217;
pub mod ring;
pub mod token;
pub mod visits;
