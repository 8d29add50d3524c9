//! The computer's end of the wire.

use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};

/// Ethernet frames without check sequence: 1500 bytes of IP.
const FRAME_SIZE: usize = 1514;

/// The computer's end of the wire: hands the frame over that has come, without a copy, and takes
/// what is to be sent.
pub(super) struct Wire<'w> {
    pub(super) incoming: Option<&'w [u8]>,
    pub(super) outgoing: &'w mut Vec<Vec<u8>>,
}

pub(super) struct Incoming<'t>(&'t [u8]);
pub(super) struct Outgoing<'t>(&'t mut Vec<Vec<u8>>);

impl Device for Wire<'_> {
    type RxToken<'t>
        = Incoming<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Outgoing<'t>
    where
        Self: 't;

    fn receive(
        &mut self,
        _: smoltcp::time::Instant,
    ) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let frame = self.incoming.take()?;
        Some((Incoming(frame), Outgoing(self.outgoing)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Self::TxToken<'_>> {
        Some(Outgoing(self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_SIZE;
        // Those of TCP were checked when the frame was taken apart. Others may be of packets in
        // fragments, of which nothing was checked yet.
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}
