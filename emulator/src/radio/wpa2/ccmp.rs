//! CCMP: a protected frame as it is on a real air.
//!
//! Source: IEEE Std 802.11-2020, "CCMP cryptographic encapsulation" (AAD and nonce of data frames).
//! Algorithms: crates `ccm`, `aes`.
//! Modelled: encryption of data frames, for captures that other programs read with the network's
//! passphrase.
//! Not modelled: decryption, which nobody here needs; protected management frames.

use aes::Aes128;
use ccm::aead::inout::InOutBuf;
use ccm::consts::{U8, U13};
use ccm::{AeadInOut, Ccm, KeyInit};

use super::KEY_LEN;
use crate::radio::frame::{Frame, Kind};

const MIC_LEN: usize = 8;
const NONCE_LEN: usize = 13;
/// Type and the QoS bit of the first octet; the direction, fragments and protection of the second.
const FRAME_CONTROL_MASK: [u8; 2] = [0x8f, 0xc7];
const ORDER: u8 = 1 << 7;

/// Encrypts a data frame whose body is in the clear behind its CCMP header; its MIC stands at the end
/// then. `None`: it is no such frame.
pub fn encrypt(frame: &[u8], key: &[u8; KEY_LEN]) -> Option<Vec<u8>> {
    let parsed = Frame::parse(frame).ok()?;
    let Kind::Data { tid, .. } = parsed.kind else { return None };
    let packet_number = parsed.protection?.packet_number.to_be_bytes();

    let mut nonce = [0; NONCE_LEN];
    nonce[0] = tid.unwrap_or(0);
    nonce[1..7].copy_from_slice(&parsed.transmitter.0);
    nonce[7..].copy_from_slice(&packet_number[2..]);

    // What repetition changes is left out, since it must not change the MIC.
    let mut context = vec![frame[0] & FRAME_CONTROL_MASK[0], frame[1] & FRAME_CONTROL_MASK[1]];
    if tid.is_some() {
        context[1] &= !ORDER;
    }
    context.extend(&frame[4..22]);
    context.extend([frame[22] & 0x0f, 0]);
    if frame[1] & 3 == 3 {
        context.extend(&frame[24..30]);
    }
    context.extend(tid.into_iter().flat_map(|tid| [tid, 0]));

    let start = frame.len() - parsed.body.len();
    let mut encrypted = Vec::with_capacity(frame.len() + MIC_LEN);
    encrypted.extend(frame);
    let mic = Ccm::<Aes128, U8, U13>::new(key.into())
        .encrypt_inout_detached(&nonce.into(), &context, InOutBuf::from(&mut encrypted[start..]))
        .ok()?;
    encrypted.extend(mic);
    Some(encrypted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_LEN] = [
        0xc9, 0x7c, 0x1f, 0x67, 0xce, 0x37, 0x11, 0x85, 0x51, 0x4a, 0x8a, 0x19, 0xf2, 0xbd, 0xd5,
        0x2f,
    ];
    const HEADER: [u8; 24] = [
        0x08, 0x48, 0xc3, 0x2c, 0x0f, 0xd2, 0xe1, 0x28, 0xa5, 0x7c, 0x50, 0x30, 0xf1, 0x84, 0x44,
        0x08, 0xab, 0xae, 0xa5, 0xb8, 0xfc, 0xba, 0x80, 0x33,
    ];
    /// Packet number b5039776e70c, key 0.
    const CCMP_HEADER: [u8; 8] = [0x0c, 0xe7, 0x00, 0x20, 0x76, 0x97, 0x03, 0xb5];
    const DATA: [u8; 20] = [
        0xf8, 0xba, 0x1a, 0x55, 0xd0, 0x2f, 0x85, 0xae, 0x96, 0x7b, 0xb6, 0x2f, 0xb6, 0xcd, 0xa8,
        0xeb, 0x7e, 0x78, 0xa0, 0x50,
    ];

    /// IEEE Std 802.11-2020, annex J, "CCMP test vectors".
    #[test]
    fn a_frame_is_encrypted_as_in_the_standards_example() {
        let frame = [&HEADER[..], &CCMP_HEADER, &DATA].concat();
        let encrypted = encrypt(&frame, &KEY).expect("it is protected");
        assert_eq!(encrypted[..32], frame[..32]);
        let expected = [
            0xf3, 0xd0, 0xa2, 0xfe, 0x9a, 0x3d, 0xbf, 0x23, 0x42, 0xa6, 0x43, 0xe4, 0x32, 0x46,
            0xe8, 0x0c, 0x3c, 0x04, 0xd0, 0x19, 0x78, 0x45, 0xce, 0x0b, 0x16, 0xf9, 0x76, 0x23,
        ];
        assert_eq!(encrypted[32..], expected);
    }

    #[test]
    fn repeating_a_frame_does_not_change_what_is_encrypted() {
        let frame = [&HEADER[..], &CCMP_HEADER, &DATA].concat();
        let mut again = frame.clone();
        again[1] ^= 0x08 | 0x10 | 0x20;
        again[23] ^= 0xff;
        let body = |frame: &[u8]| encrypt(frame, &KEY).expect("it is protected").split_off(32);
        assert_eq!(body(&frame), body(&again));
        let mut qos = frame.clone();
        qos[0] = 0x88;
        qos.splice(24..24, [0, 0]);
        let encrypted = encrypt(&qos, &KEY).expect("it is protected").split_off(34);
        assert_ne!(encrypted, body(&frame));
        // A field that comes and goes with its bit.
        qos[1] |= 0x80;
        qos.splice(26..26, [1, 2, 3, 4]);
        assert_eq!(encrypt(&qos, &KEY).expect("it is protected")[38..], encrypted);
    }

    #[test]
    fn frames_in_the_clear_are_not_encrypted() {
        let mut frame = [&HEADER[..], &CCMP_HEADER, &DATA].concat();
        frame[1] &= !0x40;
        assert_eq!(encrypt(&frame, &KEY), None);
        assert_eq!(encrypt(&frame[..10], &KEY), None);
    }
}
