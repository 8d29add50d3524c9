//! Test support: no access to any offset of a device may panic or hang.

use super::{Context, Peripheral};
use crate::time::{Duration, Instant};

/// Reads, writes and polls every word below `bytes` with patterns that set each bit both ways,
/// in passes that leave each other's state behind, and at several times.
pub(crate) fn sweep<P: Peripheral + Clone>(device: &P, bytes: u32) {
    let clocks = super::Clocks::default();
    for pattern in [u32::MAX, 0, 0xaaaa_aaaa, 0x5555_5555, 1, 0x8000_0000] {
        let mut device = device.clone();
        for pass in 0..4 {
            let now = Instant::ZERO + Duration::from_micros(100 * pass);
            let cx = Context::at(now, clocks);
            for offset in (0..bytes).step_by(4) {
                device.poll(&cx);
                let _ = device.read(offset, &cx);
                let value = if pass == 2 { pattern.rotate_left(offset) } else { pattern };
                let _ = device.write(offset, value, &cx);
                let _ = (device.irq(), device.poll_at());
            }
            device.clocks_changed(&cx);
        }
        device.reset(&Context::at(Instant::MAX, clocks));
        device.poll(&Context::at(Instant::MAX, clocks));
    }
}
