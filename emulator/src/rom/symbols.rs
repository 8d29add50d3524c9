//! Names of the mask ROM's entry points, for reports about code that is not provided.
//!
//! *Source*: the published linker scripts of ESP-IDF v3.3 to v6.0 for the ESP32 ROM
//! (`esp32.rom*.ld`); where several names stand for one address, the plainest is kept.
//! *Modelled*: functions. *Not modelled*: data symbols.

/// Lines of `address name`, addresses in eight hexadecimal digits, ascending.
const SYMBOLS: &str = include_str!("symbols.txt");

/// First address behind the ROM's code.
const END: u32 = 0x4007_0000;

/// All names, in order of address.
pub fn all() -> impl Iterator<Item = (u32, &'static str)> {
    SYMBOLS.lines().filter_map(|line| {
        let (address, name) = line.split_once(' ')?;
        Some((u32::from_str_radix(address, 16).ok()?, name))
    })
}

/// The published entry point at or before `address`, and how far `address` is behind it. `None`
/// outside of the ROM. A ROM image that a user brings has the same names.
pub fn symbol_name(address: u32) -> Option<(&'static str, u32)> {
    if !(0x4000_0000..END).contains(&address) {
        return None;
    }
    let (at, name) = all().take_while(|(at, _)| *at <= address).last()?;
    Some((name, address - at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_found_with_their_offset() {
        assert!(all().is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(all().count(), SYMBOLS.lines().count());
        assert_eq!(symbol_name(0x4000_c2cb), Some(("memcpy", 3)));
        assert_eq!(symbol_name(0x3fff_ffff), None);
        assert_eq!(symbol_name(0x4008_0000), None);
    }

    #[test]
    fn the_table_of_functions_uses_published_addresses() {
        let published: Vec<u32> = all().map(|(address, _)| address).collect();
        for entry in crate::rom::table::entries() {
            let is_published = published.binary_search(&entry.address).is_ok();
            // The PHY's later additions are known from its function table only.
            let is_phy = (0x4000_2f6c..0x4000_6674).contains(&entry.address);
            assert!(is_published || is_phy, "{} {:#x}", entry.name, entry.address);
        }
    }
}
