//! The radio's PHY functions in ROM.
//!
//! *Source*: addresses and names of `esp32.rom.ld`; which of them an application calls, and that it
//! works when they do nothing, was measured with MicroPython 1.23 (enable, scan, connect, sockets).
//! *Modelled*: `phy_get_romfuncs`, `mhz2ieee`, and what is plain arithmetic.
//! *Not modelled*: the analogue sequencing behind the others. They return 0 and touch nothing, which
//! was verified to be enough: the application's own PHY library polls the hardware that matters.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::startup::PHY_TABLE;
use crate::rom::table::{Entry, entry};

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_2f6c, "phy_disable_agc", &[quiet]),
    entry(0x4000_2f88, "phy_enable_agc", &[quiet]),
    entry(0x4000_2fa4, "disable_agc", &[quiet]),
    entry(0x4000_2fcc, "enable_agc", &[quiet]),
    entry(0x4000_3000, "phy_disable_cca", &[quiet]),
    entry(0x4000_302c, "phy_enable_cca", &[quiet]),
    entry(0x4000_3044, "pow_usr", &[quiet]),
    entry(0x4000_3060, "set_loopback_gain", &[quiet]),
    entry(0x4000_30b8, "set_cal_rxdc", &[quiet]),
    entry(0x4000_30f8, "loopback_mode_en", &[quiet]),
    entry(0x4000_312c, "get_data_sat", &[get_data_sat]),
    entry(0x4000_31a4, "set_pbus_mem", &[quiet]),
    entry(0x4000_348c, "write_gain_mem", &[quiet]),
    entry(0x4000_351c, "rx_gain_force", &[quiet]),
    entry(0x4000_3564, "set_txclk_en", &[quiet]),
    entry(0x4000_3594, "set_rxclk_en", &[quiet]),
    entry(0x4000_35d0, "start_tx_tone_step", &[quiet]),
    entry(0x4000_36b4, "start_tx_tone", &[quiet]),
    entry(0x4000_3710, "clk_force_on_vit", &[quiet]),
    entry(0x4000_3734, "bb_rx_ht20_cen_bcov_en", &[quiet]),
    entry(0x4000_3760, "bb_tx_ht20_cen", &[quiet]),
    entry(0x4000_37f0, "spur_reg_write_one_tone", &[quiet]),
    entry(0x4000_3ac8, "spur_coef_cfg", &[quiet]),
    entry(0x4000_3b70, "bb_wdg_test_en", &[quiet]),
    entry(0x4000_3bac, "bb_bss_cbw40_dig", &[quiet]),
    entry(0x4000_3bdc, "noise_floor_auto_set", &[quiet]),
    entry(0x4000_3c2c, "phy_get_noisefloor", &[quiet]),
    entry(0x4000_3c78, "check_noise_floor", &[quiet]),
    entry(0x4000_3d48, "set_noise_floor", &[quiet]),
    entry(0x4000_3d90, "chip_v7_rx_rifs_en", &[quiet]),
    entry(0x4000_3db4, "rtc_mem_backup", &[quiet]),
    entry(0x4000_3df4, "rtc_mem_recovery", &[quiet]),
    entry(0x4000_3e3c, "gen_rx_gain_table", &[quiet]),
    entry(0x4000_3f98, "stop_tx_tone", &[quiet]),
    entry(0x4000_401c, "bb_bss_bw_40_en", &[quiet]),
    entry(0x4000_404c, "mhz2ieee", &[mhz2ieee]),
    entry(0x4000_40b0, "cbw2040_cfg", &[quiet]),
    entry(0x4000_4100, "phy_get_romfuncs", &[phy_get_romfuncs]),
    entry(0x4000_4110, "chip_i2c_readReg", &[quiet]),
    entry(0x4000_4148, "i2c_readReg", &[quiet]),
    entry(0x4000_4168, "chip_i2c_writeReg", &[i2c_write_reg]),
    entry(0x4000_41a4, "i2c_writeReg", &[i2c_write_reg]),
    entry(0x4000_41c0, "i2c_readReg_Mask", &[quiet]),
    entry(0x4000_41fc, "i2c_writeReg_Mask", &[quiet]),
    entry(0x4000_4270, "pbus_force_mode", &[quiet]),
    entry(0x4000_4334, "pbus_rd_addr", &[quiet]),
    entry(0x4000_4374, "pbus_rd_shift", &[quiet]),
    entry(0x4000_43c0, "pbus_force_test", &[quiet]),
    entry(0x4000_4414, "pbus_rd", &[quiet]),
    entry(0x4000_4458, "pbus_debugmode", &[quiet]),
    entry(0x4000_446c, "pbus_workmode", &[quiet]),
    entry(0x4000_4480, "pbus_set_rxgain", &[quiet]),
    entry(0x4000_4508, "pbus_xpd_rx_off", &[quiet]),
    entry(0x4000_453c, "pbus_xpd_rx_on", &[quiet]),
    entry(0x4000_4590, "pbus_xpd_tx_off", &[quiet]),
    entry(0x4000_45e0, "pbus_xpd_tx_on", &[quiet]),
    entry(0x4000_4638, "pbus_set_dco", &[quiet]),
    entry(0x4000_4680, "rfpll_reset", &[quiet]),
    entry(0x4000_46e0, "restart_cal", &[quiet]),
    entry(0x4000_4740, "write_rfpll_sdm", &[quiet]),
    entry(0x4000_47a8, "wait_rfpll_cal_end", &[quiet]),
    entry(0x4000_47f8, "rfpll_set_freq", &[quiet]),
    entry(0x4000_4880, "set_channel_freq", &[quiet]),
    entry(0x4000_4b44, "phy_freq_correct", &[quiet]),
    entry(0x4000_4ca8, "set_rf_freq_offset", &[quiet]),
    entry(0x4000_4cec, "chip_v7_rx_init", &[quiet]),
    entry(0x4000_4d18, "chip_v7_tx_init", &[quiet]),
    entry(0x4000_4d8c, "chip_v7_bt_init", &[quiet]),
    entry(0x4000_4dc0, "txbbgain_to_index", &[quiet]),
    entry(0x4000_4df8, "index_to_txbbgain", &[quiet]),
    entry(0x4000_4e10, "txdc_cal_init", &[quiet]),
    entry(0x4000_4ea4, "txdc_cal_v70", &[quiet]),
    entry(0x4000_506c, "en_pwdet", &[quiet]),
    entry(0x4000_510c, "txcal_work_mode", &[quiet]),
    entry(0x4000_5154, "txiq_set_reg", &[quiet]),
    entry(0x4000_51c0, "read_sar_dout", &[quiet]),
    entry(0x4000_5204, "get_fm_sar_dout", &[quiet]),
    entry(0x4000_5290, "txtone_linear_pwr", &[quiet]),
    entry(0x4000_52dc, "txiq_get_mis_pwr", &[quiet]),
    entry(0x4000_538c, "txiq_cover", &[quiet]),
    entry(0x4000_54f0, "abs_temp", &[abs_temp]),
    entry(0x4000_5514, "iq_est_enable", &[quiet]),
    entry(0x4000_5590, "iq_est_disable", &[quiet]),
    entry(0x4000_55c8, "dc_iq_est", &[quiet]),
    entry(0x4000_5620, "pbus_rx_dco_cal", &[quiet]),
    entry(0x4000_58e4, "rxiq_get_mis", &[quiet]),
    entry(0x4000_5a00, "rxiq_set_reg", &[quiet]),
    entry(0x4000_5a68, "rxiq_cover_mg_mp", &[quiet]),
    entry(0x4000_5b4c, "rfcal_rxiq", &[quiet]),
    entry(0x4000_5bbc, "get_rfcal_rxiq_data", &[quiet]),
    entry(0x4000_5ce0, "set_chan_cal_interp", &[quiet]),
    entry(0x4000_5d50, "set_txcap_reg", &[quiet]),
    entry(0x4000_5dec, "rfcal_txcap", &[quiet]),
    entry(0x4000_5f64, "linear_to_db", &[quiet]),
    entry(0x4000_5fc8, "get_power_db", &[quiet]),
    entry(0x4000_6004, "meas_tone_pwr_db", &[quiet]),
    entry(0x4000_6058, "rfcal_pwrctrl", &[quiet]),
    entry(0x4000_61cc, "tx_atten_set_interp", &[quiet]),
    entry(0x4000_6268, "target_power_add_backoff", &[target_power_add_backoff]),
    entry(0x4000_6290, "get_rf_gain_qdb", &[quiet]),
    entry(0x4000_62a8, "correct_rf_ana_gain", &[quiet]),
    entry(0x4000_642c, "phy_get_vdd33", &[quiet]),
    entry(0x4000_6564, "get_sar_dout", &[quiet]),
    entry(0x4000_65d4, "get_pwctrl_correct", &[quiet]),
    entry(0x4000_662c, "tx_pwctrl_bg_init", &[quiet]),
];

/// Default content of the PHY function table, slot by slot; 0 is an empty slot.
pub(in crate::rom) const TABLE_ORDER: [u32; 107] = table_order();

const fn table_order() -> [u32; 107] {
    #[rustfmt::skip]
    const LOW: [u16; 107] = [
        0x2f6c, 0x2f88, 0x2fa4, 0x2fcc, 0x3000, 0x302c, 0x3044, 0x3e3c, 0x3060, 0x30b8, 0x30f8,
        0x312c, 0x31a4, 0x348c, 0x351c, 0x3564, 0x3594, 0x35d0, 0x36b4, 0x3f98, 0x401c, 0x3710,
        0x3734, 0x3760, 0x37f0, 0x3ac8, 0x3b70, 0x404c, 0x3bac, 0x40b0, 0x3bdc, 0x3c2c, 0x3c78,
        0x3d48, 0x3d90, 0x3db4, 0x3df4, 0x4110, 0x4148, 0x4168, 0x41a4, 0x41c0, 0x41fc, 0x4270,
        0x4334, 0x4374, 0x43c0, 0x4414, 0x4458, 0x446c, 0x4480, 0x4508, 0x453c, 0x4590, 0x45e0,
        0x4638, 0x4680, 0x46e0, 0x4740, 0x47a8, 0x47f8, 0x4880, 0x4b44, 0x4ca8, 0x4cec, 0x4d18,
        0x4d8c, 0x4dc0, 0x4df8, 0x4e10, 0x4ea4, 0x506c, 0,      0x510c, 0x5154, 0x51c0, 0x5204,
        0x5290, 0x52dc, 0x538c, 0x54f0, 0x5514, 0x5590, 0x55c8, 0x5620, 0x58e4, 0x5a00, 0x5a68,
        0x5b4c, 0x5bbc, 0x5ce0, 0x5d50, 0x5dec, 0x5f64, 0x5fc8, 0x6004, 0,      0x6058, 0x61cc,
        0x6268, 0x6290, 0x62a8, 0x642c, 0x6564, 0x65d4, 0x662c, 0,
    ];
    let mut order = [0; 107];
    let mut i = 0;
    while i < order.len() {
        if LOW[i] != 0 {
            order[i] = 0x4000_0000 | LOW[i] as u32;
        }
        i += 1;
    }
    order
}

/// Analogue sequencing that nothing depends on.
fn quiet(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(20);
    Ok(Outcome::Return(0))
}

/// `phy_rom_funcs_t *phy_get_romfuncs(void)`
fn phy_get_romfuncs(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4);
    Ok(Outcome::Return(PHY_TABLE))
}

/// `unsigned mhz2ieee(unsigned mhz, unsigned flags)`: the channel number; flag bit 7 says 2.4 GHz,
/// flag bit 8 says 5 GHz, without a flag the frequency itself decides.
fn mhz2ieee(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(20);
    Ok(Outcome::Return(channel(call.get(0), call.get(1))))
}

fn channel(mhz: u32, flags: u32) -> u32 {
    let above = |base: u32| mhz.wrapping_sub(base) / 5;
    let low_band = || match mhz {
        2484 => 14,
        0..2484 => above(2407),
        _ => 15 + mhz.wrapping_sub(2512) / 20,
    };
    match flags {
        _ if flags & 0x80 != 0 => low_band(),
        _ if flags & 0x100 != 0 => above(5000),
        _ if mhz < 5000 => low_band(),
        _ => above(5000),
    }
}

/// `int get_data_sat(int x, int high, int low)`: clamps.
fn get_data_sat(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    let [x, high, low] = std::array::from_fn(|i| call.get(i) as i32);
    let value = if x > high { high } else { x.max(low) };
    Ok(Outcome::Return(value as u32))
}

/// `int abs_temp(int x)`
fn abs_temp(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4);
    Ok(Outcome::Return((call.get(0) as i32).wrapping_abs() as u32))
}

/// `void target_power_add_backoff(int8_t *dst, const int8_t *src, int8_t n)`: six bytes.
fn target_power_add_backoff(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(40);
    let source: [u8; 6] = call.bytes(call.get(1))?;
    let less = call.get(2) as u8;
    call.write(call.get(0), &source.map(|byte| byte.wrapping_sub(less)))?;
    Ok(Outcome::Return(0))
}

/// `void i2c_writeReg(uint8_t block, uint8_t host, uint8_t reg, uint8_t value)`: one write on the
/// internal bus to the analogue blocks; the host's register takes the command with bit 24 set.
fn i2c_write_reg(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const HOSTS: u32 = 0x6000_e000;
    const WRITE: u32 = 1 << 24;
    call.charge(40);
    let [block, host, register, value] = std::array::from_fn(|i| call.get(i) & 0xff);
    if host < 8 {
        call.store(HOSTS + 4 * host, block | register << 8 | value << 16 | WRITE)?;
    }
    Ok(Outcome::Return(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{DRAM, FakeGuest};

    #[test]
    fn every_channel_of_the_2_4_ghz_band_has_its_number() {
        let mut guest = FakeGuest::new(64);
        for n in 1..=13 {
            assert_eq!(guest.call("mhz2ieee", &[2407 + 5 * n, 0x80]), n);
        }
        assert_eq!(guest.call("mhz2ieee", &[2484, 0x80]), 14);
        assert_eq!(guest.call("mhz2ieee", &[5180, 0]), 36);
        for mhz in [0, 1, u32::MAX] {
            guest.call("mhz2ieee", &[mhz, 0x100]);
        }
    }

    #[test]
    fn the_table_names_provided_functions_only() {
        for address in TABLE_ORDER.into_iter().filter(|&address| address != 0) {
            assert!(TABLE.iter().any(|entry| entry.address == address), "{address:#x}");
        }
        assert_eq!(TABLE_ORDER.iter().filter(|&&address| address == 0).count(), 3);
    }

    #[test]
    fn arithmetic_helpers_are_real_and_the_internal_bus_is_written() {
        let mut guest = FakeGuest::new(64);
        assert_eq!(guest.call("get_data_sat", &[-9i32 as u32, 5, -3i32 as u32]) as i32, -3);
        guest.put(DRAM, &[10, 9, 8, 7, 6, 5]);
        guest.call("target_power_add_backoff", &[DRAM + 8, DRAM, 4]);
        assert_eq!(guest.get(DRAM + 8, 6), [6, 5, 4, 3, 2, 1]);
        guest.call("i2c_writeReg", &[0x66, 4, 2, 0x9a]);
        assert_eq!(guest.register(0x6000_e010), 0x019a_0266);
    }
}
