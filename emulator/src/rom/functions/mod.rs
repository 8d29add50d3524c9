//! The ROM functions that are provided natively, one file per subject.

pub(super) mod bluetooth;
mod cache;
pub(super) mod calendar;
mod checksum;
pub(super) mod clock;
mod crypto;
pub(super) mod ctype;
pub(super) mod inflate;
mod integer;
pub(super) mod interrupt;
pub(super) mod locale;
mod md5;
mod memory;
mod phy;
mod pins;
pub(super) mod rtc;
mod soft_float;
pub(super) mod spi_flash;
pub(super) mod stdlib;
mod string;
pub(super) mod uart;

use super::table::Entry;

pub(super) use phy::TABLE_ORDER as PHY_TABLE_ORDER;

/// All tables.
pub(super) const TABLES: &[&[Entry]] = &[
    bluetooth::TABLE,
    cache::TABLE,
    calendar::TABLE,
    checksum::TABLE,
    clock::TABLE,
    crypto::TABLE,
    ctype::TABLE,
    inflate::TABLE,
    integer::TABLE,
    interrupt::TABLE,
    locale::TABLE,
    md5::TABLE,
    memory::TABLE,
    phy::TABLE,
    pins::TABLE,
    rtc::TABLE,
    soft_float::TABLE,
    spi_flash::TABLE,
    stdlib::TABLE,
    string::TABLE,
    uart::TABLE,
];
