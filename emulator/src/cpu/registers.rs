//! PS, the processor state register, bit by bit.
//!
//! Source: Xtensa ISA Reference Manual, chapter "Special Registers".

/// Fields of PS.
pub mod ps {
    /// INTLEVEL: interrupts at or below this level are masked.
    pub const INTLEVEL: u32 = 0xf;
    /// EXCM: an exception is being handled.
    pub const EXCM: u32 = 1 << 4;
    /// UM: exceptions go to the user vector.
    pub const UM: u32 = 1 << 5;
    /// OWB: WINDOWBASE before a window exception.
    pub const OWB_SHIFT: u32 = 8;
    /// Mask of OWB in place.
    pub const OWB: u32 = 0xf << OWB_SHIFT;
    /// CALLINC: window increment of the last call.
    pub const CALLINC_SHIFT: u32 = 16;
    /// Mask of CALLINC in place.
    pub const CALLINC: u32 = 3 << CALLINC_SHIFT;
    /// WOE: window overflow detection is enabled.
    pub const WOE: u32 = 1 << 18;
    /// The bits that exist.
    pub const MASK: u32 = INTLEVEL | EXCM | UM | (3 << 6) | OWB | CALLINC | WOE;
}
