//! The Bluetooth controller in ROM: one that initialises and never hears anything.
//!
//! *Source*: `esp32.rom.ld` for names and addresses. What must answer, and how, for an application's
//! controller to come up was found with an Arduino-ESP32 3.3.12 BLE image by replacing ROM functions
//! one by one; keys of handler tables from the libraries that look them up.
//! *Modelled*: table getters, the questions whether the controller may sleep (yes), its heap; every
//! other Bluetooth function returns 0. The initialised data that applications copy from ROM is
//! synthesised: tables of functions that return 0.
//! *Not modelled*: the link layer, HCI, radio. No HCI event is ever produced.

use crate::rom::call::{Call, Native, Outcome, Stop};
use crate::rom::table::{Entry, entry};

/// Where the controller's functions are.
pub(in crate::rom) const CODE: std::ops::Range<u32> = 0x4001_0000..0x4005_6000;

/// A Bluetooth function that returns 0, to be pointed at.
const QUIET: u32 = 0x4001_4470;

/// Where applications find the address of the data image, and the image itself.
pub(in crate::rom) const DATA_POINTER: u32 = 0x4000_d4f4;
/// See [`DATA_POINTER`].
pub(in crate::rom) const DATA: u32 = 0x4000_d890;
/// Where applications copy the image to.
const DATA_COPY: u32 = 0x3ffa_e6e0;
const DATA_WORDS: usize = 1548;

/// Our notes about the heaps {base, size, used}, one per heap number, in RAM that the controller
/// owns and that nothing else of it uses here.
const HEAPS: u32 = 0x3ffb_8380;
const HEAP_COUNT: u32 = 4;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4001_0004, "btdm_r_btdm_option_data_p_get", &[give::<0x3ffa_e6e0>]),
    entry(0x4001_3f14, "r_co_list_init", &[co_list_init]),
    entry(QUIET, "r_dbg_swdiag_init", &[quiet]),
    entry(0x4001_5928, "r_ea_sleep_check", &[give::<1>]),
    entry(0x4001_9af0, "btdm_r_ip_func_p_get", &[give::<0x3ffa_e710>]),
    entry(0x4001_9d3c, "r_ke_mem_init", &[ke_mem_init]),
    entry(0x4001_9eb4, "r_ke_malloc", &[ke_malloc]),
    entry(0x4001_a3d8, "r_ke_sleep_check", &[give::<1>]),
    entry(0x4001_ac50, "r_ke_timer_sleep_check", &[give::<1>]),
    entry(0x4001_c18c, "lb_hci_cmd_handler_tab_p_get", &[give::<0x3ffa_f324>]),
    entry(0x4001_c198, "lb_default_state_tab_p_get", &[give::<0x3ffa_f2ac>]),
    entry(0x4002_f488, "lc_hci_cmd_handler_tab_p_get", &[give::<0x3ffa_f52c>]),
    entry(0x4002_f494, "lc_default_state_tab_p_get", &[give::<0x3ffa_f384>]),
    entry(0x4004_2358, "llc_hci_cmd_handler_tab_p_get", &[give::<0x3ffa_f724>]),
    entry(0x4004_3f64, "llcp_pdu_handler_tab_p_get", &[give::<0x3ffa_f7bc>]),
    entry(0x4004_6058, "llc_default_state_tab_p_get", &[give::<0x3ffa_f86c>]),
    entry(0x4004_c920, "llm_hci_cmd_handler_tab_p_get", &[give::<0x3ffa_f8ec>]),
    entry(0x4004_e718, "llm_default_state_tab_p_get", &[give::<0x3ffa_fa14>]),
    entry(0x4005_425c, "lm_hci_cmd_handler_tab_p_get", &[give::<0x3ffa_fab4>]),
    entry(0x4005_4268, "lm_default_state_tab_p_get", &[give::<0x3ffa_fa54>]),
    entry(0x4005_427c, "btdm_r_modules_func_p_get", &[give::<0x3ffa_fd6c>]),
    entry(0x4005_4288, "btdm_r_plf_func_p_set", &[plf_func_p_set]),
    entry(0x4005_4298, "btdm_r_import_rf_phy_func_p_get", &[give::<0x3ffb_8354>]),
    entry(0x4005_4d78, "r_rwble_sleep_check", &[give::<1>]),
    entry(0x4005_577c, "r_rwbt_sleep_check", &[give::<1>]),
    entry(0x4005_58fc, "r_rwip_check_wakeup_boundary", &[give::<1>]),
];

/// What stands at every other Bluetooth entry point.
pub(in crate::rom) const QUIET_PARTS: &[Native] = &[quiet];

fn quiet(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    give::<0>(call)
}

fn give<const VALUE: u32>(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    Ok(Outcome::Return(VALUE))
}

/// `void btdm_r_plf_func_p_set(void *functions)`
fn plf_func_p_set(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    call.store(0x3ffb_8360, call.get(0))?;
    Ok(Outcome::Return(0))
}

/// `void co_list_init(struct co_list *list)`: first and last are null.
fn co_list_init(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    call.write(call.get(0), &[0; 8])?;
    Ok(Outcome::Return(0))
}

/// `void ke_mem_init(uint8_t heap, uint8_t *base, uint16_t size)`
fn ke_mem_init(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(40);
    let heap = call.get(0) & 0xff;
    if heap < HEAP_COUNT {
        let note = HEAPS + 12 * heap;
        call.store(note, call.get(1).wrapping_add(3) & !3)?;
        call.store(note + 4, (call.get(2) & 0xffff).saturating_sub(4))?;
        call.store(note + 8, 0)?;
    }
    Ok(Outcome::Return(0))
}

/// `void *ke_malloc(uint32_t size, uint8_t heap)`: nothing is ever freed, for nothing happens.
fn ke_malloc(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(60);
    let heap = call.get(1) & 0xff;
    if heap >= HEAP_COUNT {
        return Ok(Outcome::Return(0));
    }
    let note = HEAPS + 12 * heap;
    let (base, size, used) = (call.load(note)?, call.load(note + 4)?, call.load(note + 8)?);
    let wanted = call.get(0).saturating_add(3) & !3;
    if base == 0 || wanted > size.saturating_sub(used) {
        return Ok(Outcome::Return(0));
    }
    call.store(note + 8, used + wanted)?;
    Ok(Outcome::Return(base.wrapping_add(used)))
}

/// Where the function tables in the copy are.
const FUNCTION_TABLES: [std::ops::Range<u32>; 2] =
    [0x3ffa_e710..0x3ffa_f2ac, 0x3ffa_fd6c..0x3ffa_ff04];

/// A table of {key, handler}. Applications replace handlers in their copy: they walk from entry to
/// entry and compare the key, up to the last one that they look for, without any other end. So the
/// keys that are looked for must be there; in which order does not matter, and no handler is ever
/// called.
struct HandlerTable {
    address: u32,
    /// Keys of messages between tasks (the number of the task in the high byte), or opcodes of HCI
    /// commands.
    keys: &'static [u16],
}

/// The tables that the getters above name, with the keys that the replacement loops of ESP-IDF's
/// Bluetooth libraries (`libbtdm_app.a`, all versions from 2016 to 2026) compare with.
#[rustfmt::skip]
const HANDLER_TABLES: [HandlerTable; 10] = [
    HandlerTable { address: 0x3ffa_f2ac, keys: &[0x607, 0x60d] },
    HandlerTable { address: 0x3ffa_f324, keys: &[0x417, 0x441, 0x444, 0xc76] },
    HandlerTable { address: 0x3ffa_f384, keys: &[
        0x501, 0x505, 0x508, 0x50b, 0x50c, 0x50d, 0x50e, 0x50f, 0x512, 0x517, 0x51c, 0x524, 0x525,
        0x526, 0x528, 0x52b, 0x52c, 0x52d, 0x52f, 0x532, 0x533, 0x522,
    ] },
    HandlerTable { address: 0x3ffa_f52c, keys: &[
        0x408, 0x40e, 0x40f, 0x413, 0x41c, 0x428, 0x42c, 0x42e, 0x43d, 0x803, 0x804, 0xc2d, 0xc53,
        0xc68, 0xc7c,
    ] },
    HandlerTable { address: 0x3ffa_f724, keys: &[
        0x406, 0x807, 0xc2d, 0x2013, 0x2016, 0x201b, 0x2020, 0xfc43,
    ] },
    HandlerTable { address: 0x3ffa_f86c, keys: &[0x101, 0x104, 0x105, 0x807, 0x005] },
    HandlerTable { address: 0x3ffa_f8ec, keys: &[
        0x2005, 0x2006, 0x2008, 0x200a, 0x200c, 0x200d, 0x200e, 0x200f, 0x2010, 0x2012, 0x2014,
        0x201d, 0x201e, 0x201f, 0x2024, 0x2026, 0x2027, 0x2029, 0x202d, 0x202e, 0x202f,
    ] },
    HandlerTable { address: 0x3ffa_fa14, keys: &[0x200, 0x805, 0x001, 0x009] },
    HandlerTable { address: 0x3ffa_fa54, keys: &[0x401, 0x403, 0x404, 0x40a, 0x40b] },
    HandlerTable { address: 0x3ffa_fab4, keys: &[
        0x401, 0x403, 0x408, 0x440, 0xc0d, 0xc13, 0xc1a, 0xc35, 0xc3f, 0x1407, 0x1804,
    ] },
];

/// The data image: functions that return 0 in the function tables, keys and such functions in the
/// handler tables, except for the slots named below.
pub(in crate::rom) fn data_image() -> Vec<u32> {
    const SLEEP_CHECKS: [u32; 6] =
        [0x3ffa_e814, 0x3ffa_f26c, 0x3ffa_f28c, 0x3ffa_fe58, 0x3ffa_fea0, 0x3ffa_fec4];
    const NAMED: [(u32, u32); 8] = [
        (0x3ffa_e6fc, 0x3ffa_e704),
        (0x3ffa_e700, 0x3ffb_80e0),
        (0x3ffa_e70c, 0x3ffa_e710),
        (0x3ffa_fd64, 0x3ffb_8354),
        (0x3ffa_fd68, 0x3ffa_fd6c),
        (0x3ffa_fd6c, 0x4001_3f14),
        (0x3ffa_fe0c, 0x4001_9d3c),
        (0x3ffa_fe18, 0x4001_9eb4),
    ];
    let mut words = vec![0; DATA_WORDS];
    let mut set = |address: u32, value| {
        if let Some(word) = words.get_mut((address - DATA_COPY) as usize / 4) {
            *word = value;
        }
    };
    for table in FUNCTION_TABLES {
        table.step_by(4).for_each(|slot| set(slot, QUIET));
    }
    // The link layer's own packets are a table of functions only.
    (0x3ffa_f7bc..0x3ffa_f86c).step_by(4).for_each(|slot| set(slot, QUIET));
    for table in &HANDLER_TABLES {
        for (&key, slot) in table.keys.iter().zip((table.address..).step_by(8)) {
            set(slot, key.into());
            set(slot + 4, QUIET);
        }
    }
    SLEEP_CHECKS.into_iter().for_each(|slot| set(slot, 0x4001_a3d8));
    NAMED.into_iter().for_each(|(slot, value)| set(slot, value));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{DRAM, FakeGuest};

    #[test]
    fn the_controller_may_always_sleep_and_says_nothing() {
        let mut guest = FakeGuest::new(64);
        assert_eq!(guest.call("r_rwip_check_wakeup_boundary", &[]), 1);
        assert_eq!(guest.call("r_dbg_swdiag_init", &[]), 0);
        assert_eq!(guest.call("btdm_r_ip_func_p_get", &[]), 0x3ffa_e710);
    }

    #[test]
    fn a_heap_gives_what_it_has() {
        let mut guest = FakeGuest::new(64);
        guest.call("r_ke_mem_init", &[1, DRAM + 2, 100]);
        assert_eq!(guest.call("r_ke_malloc", &[50, 1]), DRAM + 4);
        assert_eq!(guest.call("r_ke_malloc", &[40, 1]), DRAM + 4 + 52);
        assert_eq!(guest.call("r_ke_malloc", &[40, 1]), 0);
        assert_eq!(guest.call("r_ke_malloc", &[u32::MAX, 1]), 0);
        assert_eq!(guest.call("r_ke_malloc", &[1, 0]), 0);
    }

    #[test]
    fn the_data_image_points_into_itself_where_it_must() {
        let image = data_image();
        assert_eq!(image.len(), 1548);
        assert_eq!(image[7], 0x3ffa_e704);
        assert_eq!(image[(0x3ffa_fe18 - 0x3ffa_e6e0) / 4], 0x4001_9eb4);
        for tables in HANDLER_TABLES.windows(2) {
            let end = tables[0].address + 8 * tables[0].keys.len() as u32;
            assert!(end <= tables[1].address, "{end:#x}");
        }
    }
}
