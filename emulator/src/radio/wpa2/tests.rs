//! Known answers, and both sides of the handshakes against each other.

use super::key_frame::Message;
use super::*;
use crate::time::{Duration, Instant};

fn bytes(text: &str) -> Vec<u8> {
    let digit =
        |at: usize| char::from(text.as_bytes()[at]).to_digit(16).expect("a hex digit") as u8;
    (0..text.len() / 2).map(|at| digit(2 * at) << 4 | digit(2 * at + 1)).collect()
}

/// IEEE Std 802.11-2020, annex J, "Test vectors" of "Passphrase-to-PSK mapping".
#[test]
fn passphrases_give_the_keys_of_the_standards_examples() {
    let long = ("a".repeat(32), "Z".repeat(32));
    for (passphrase, ssid, key) in [
        ("password", "IEEE", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"),
        (
            "ThisIsAPassword",
            "ThisIsASSID",
            "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af",
        ),
        (&long.0, &long.1, "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62"),
    ] {
        assert_eq!(Pmk::derive(passphrase, ssid.as_bytes()).0[..], bytes(key), "{passphrase}");
    }
}

#[test]
fn sixty_four_digits_are_the_key_itself() {
    let digits = "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af";
    assert_eq!(Pmk::derive(digits, b"any").0[..], bytes(digits));
}

/// IEEE Std 802.11-2020, annex J, "Test vectors" of "PRF".
#[test]
fn the_pseudorandom_function_gives_the_standards_examples() {
    for (key, data, output) in [
        (
            vec![0x0b; 20],
            b"Hi There".to_vec(),
            "bcd4c650b30b9684951829e0d75f9d54b862175ed9f00606e17d8da35402ffee75df78c3d31e0f889f\
             012120c0862beb67753e7439ae242edb8373698356cf5a",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "51f4de5b33f249adf81aeb713a3c20f4fe631446fabdfa58244759ae58ef9009a99abf4eac2ca5fa87\
             e692c440eb40023e7babb206d61de7b92f41529092b8fc",
        ),
        (
            vec![0xaa; 20],
            vec![0xdd; 50],
            "e1ac546ec4cb636f9976487be5c86be17a0252ca5d8d8df12cfb0473525249ce9dd8d177ead710bc9b\
             590547239107aef7b4abd43d87f0a68f1cbd9e2b6f7607",
        ),
    ] {
        assert_eq!(prf::<64>(&key, b"prefix", &data)[..], bytes(output));
    }
}

/// IEEE Std 802.11-2020, annex J, "Key hierarchy test vectors for pairwise keys", CCMP.
#[test]
fn pairwise_keys_are_those_of_the_standards_example() {
    let pmk = bytes("0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af");
    let nonce = |text| bytes(text).try_into().expect("32 octets");
    let sides = Sides {
        authenticator: "a0:a1:a1:a3:a4:a5".parse().expect("an address"),
        supplicant: "b0:b1:b2:b3:b4:b5".parse().expect("an address"),
    };
    let ptk = Ptk::derive(
        &Pmk(pmk.try_into().expect("32 octets")),
        sides,
        &nonce("e0e1e2e3e4e5e6e7e8e9f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405"),
        &nonce("c0c1c2c3c4c5c6c7c8c9d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5"),
    );
    assert_eq!(ptk.kck[..], bytes("379f9852d0199236b94e407ce4c00ec8"));
    assert_eq!(ptk.kek[..], bytes("47c9edc01c2c6e5b4910caddfb3e51a7"));
    assert_eq!(ptk.tk[..], bytes("b2360c79e9710fdd58bea93deaf06599"));
}

/// RFC 3394, section 4.1.
#[test]
fn keys_are_wrapped_as_in_the_example_of_rfc_3394() {
    let kek = bytes("000102030405060708090a0b0c0d0e0f").try_into().expect("16 octets");
    let ptk = Ptk { kck: [0; KEY_LEN], kek, tk: [0; KEY_LEN] };
    let data = bytes("00112233445566778899aabbccddeeff");
    let wrapped = ptk.wrap(data.clone());
    assert_eq!(wrapped, bytes("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"));
    assert_eq!(ptk.unwrap(&wrapped), Ok(data));
    let mut broken = wrapped;
    broken[3] ^= 1;
    assert_eq!(ptk.unwrap(&broken), Err(HandshakeError::KeyData));
}

#[test]
fn key_data_are_padded_to_whole_blocks_by_a_vendor_element_and_zeros() {
    let ptk = Ptk { kck: [0; KEY_LEN], kek: [7; KEY_LEN], tk: [0; KEY_LEN] };
    for (len, padded) in [(0, 16), (15, 16), (16, 16), (17, 24), (46, 48)] {
        let data = ptk.unwrap(&ptk.wrap(vec![1; len])).expect("it was wrapped with the same key");
        assert_eq!(data.len(), padded);
        assert!(
            data[len..].iter().zip(0..).all(|(octet, at)| *octet == if at == 0 { 0xdd } else { 0 })
        );
    }
}

const SIDES: Sides = Sides {
    authenticator: MacAddress([2, 0x11, 0x22, 0x33, 0x44, 0x51]),
    supplicant: MacAddress([0x10, 0x01, 0x00, 0xc4, 0x0a, 0x24]),
};
const NETWORK_ELEMENT: &[u8] = &[0x30, 0x02, 0x01, 0x00];
const STATION_ELEMENT: &[u8] = &[0x30, 0x03, 0x01, 0x00, 0x00];

fn authenticator(key: u8) -> Authenticator {
    let elements = (NETWORK_ELEMENT.to_vec(), STATION_ELEMENT.to_vec());
    Authenticator::new(SIDES, Pmk([key; 32]), elements, [0xa0; 32], Instant::ZERO)
}

fn supplicant(key: u8) -> Supplicant {
    let elements = (STATION_ELEMENT.to_vec(), NETWORK_ELEMENT.to_vec());
    Supplicant::new(SIDES, Pmk([key; 32]), elements, [0xb0; 32])
}

fn group_key() -> GroupKey {
    let mut key = GroupKey::new([0x47; KEY_LEN], 1);
    key.packet_number = 0x0102_0304_0506;
    key
}

fn at_ms(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

fn sent(due: Option<Due>) -> Vec<u8> {
    let Some(Due::Send(frame)) = due else { panic!("a frame is due, not {due:?}") };
    frame
}

fn octets(answer: Answer) -> Vec<u8> {
    let (Answer::Message2(frame) | Answer::Message4(frame) | Answer::Group2(frame)) = answer;
    frame
}

/// Both sides up to the second message, which is the last part of the answer.
fn up_to_message_2() -> (Authenticator, Supplicant, Vec<u8>) {
    let (mut ap, mut station) = (authenticator(1), supplicant(1));
    let message_1 = sent(ap.poll(at_ms(0), &group_key()));
    let message_2 = octets(station.receive(&message_1).expect("message 1 is good"));
    (ap, station, message_2)
}

/// Both sides up to the third message.
fn up_to_message_3() -> (Authenticator, Supplicant, Vec<u8>) {
    let (mut ap, station, message_2) = up_to_message_2();
    assert_eq!(ap.receive(&message_2, at_ms(2)), Ok(Progress::PassphraseProved));
    let message_3 = sent(ap.poll(at_ms(2), &group_key()));
    (ap, station, message_3)
}

fn complete() -> (Authenticator, Supplicant) {
    let (mut ap, mut station, message_3) = up_to_message_3();
    let message_4 = octets(station.receive(&message_3).expect("message 3 is good"));
    assert_eq!(ap.receive(&message_4, at_ms(4)), Ok(Progress::Complete));
    (ap, station)
}

#[test]
fn both_sides_of_a_handshake_end_with_the_same_keys() {
    let (ap, station) = complete();
    assert!(ap.temporal_key().is_some());
    assert_eq!(ap.temporal_key(), station.temporal_key());
    assert_eq!(station.group_key(), Some(&group_key()));
    assert_eq!(ap.poll_at(), None);
}

#[test]
fn messages_have_the_lengths_and_key_information_that_stations_expect() {
    let (mut ap, mut station) = (authenticator(1), supplicant(1));
    let message_1 = sent(ap.poll(at_ms(0), &group_key()));
    assert_eq!(message_1[..9], [2, 3, 0, 95, 2, 0x00, 0x8a, 0, 16]);
    let message_2 = octets(station.receive(&message_1).expect("message 1 is good"));
    assert_eq!(message_2[..7], [2, 3, 0, 95 + STATION_ELEMENT.len() as u8, 2, 0x01, 0x0a]);
    ap.receive(&message_2, at_ms(1)).expect("message 2 is good");
    let message_3 = sent(ap.poll(at_ms(1), &group_key()));
    // 4 octets of element and 24 of key, padded and wrapped.
    assert_eq!(message_3[..9], [2, 3, 0, 95 + 40, 2, 0x13, 0xca, 0, 16]);
    assert_eq!(message_3[65..73], [6, 5, 4, 3, 2, 1, 0, 0], "the group key's packet number");
    let message_4 = octets(station.receive(&message_3).expect("message 3 is good"));
    assert_eq!(message_4[..7], [2, 3, 0, 95, 2, 0x03, 0x0a]);
}

#[test]
fn octets_behind_the_end_that_the_eapol_header_names_do_not_matter() {
    let (mut ap, _, mut message_2) = up_to_message_2();
    message_2.extend([0xef, 0xbe, 0xad, 0xde]);
    assert_eq!(ap.receive(&message_2, at_ms(1)), Ok(Progress::PassphraseProved));
}

#[test]
fn another_passphrase_fails_at_the_mic_of_message_2_and_message_1_comes_again() {
    let (mut ap, mut station) = (authenticator(1), supplicant(2));
    for second in 0..4 {
        let now = at_ms(1000 * second);
        assert_eq!(ap.poll_at(), Some(now));
        let message_1 = sent(ap.poll(now, &group_key()));
        let message_2 = octets(station.receive(&message_1).expect("message 1 is good"));
        assert_eq!(ap.receive(&message_2, now), Err(HandshakeError::WrongMic));
    }
    assert_eq!(
        ap.poll(at_ms(4000), &group_key()),
        Some(Due::GiveUp(crate::radio::frame::Reason::HANDSHAKE_TIMEOUT))
    );
    assert_eq!(ap.poll_at(), None);
}

#[test]
fn an_answer_to_an_earlier_transmission_of_a_message_is_good() {
    let (mut ap, _, message_2) = up_to_message_2();
    sent(ap.poll(at_ms(1000), &group_key()));
    assert_eq!(ap.receive(&message_2, at_ms(1001)), Ok(Progress::PassphraseProved));
}

#[test]
fn an_answer_counts_once() {
    let (mut ap, _, message_2) = up_to_message_2();
    assert_eq!(ap.receive(&message_2, at_ms(1)), Ok(Progress::PassphraseProved));
    assert_eq!(ap.receive(&message_2, at_ms(1)), Err(HandshakeError::Unexpected(0x010a)));
}

#[test]
fn an_answer_with_a_counter_that_was_not_sent_is_refused() {
    let (mut ap, _, mut message_2) = up_to_message_2();
    message_2[16] += 1;
    assert_eq!(ap.receive(&message_2, at_ms(1)), Err(HandshakeError::Replayed(2)));
}

#[test]
fn a_station_refuses_a_message_whose_counter_it_has_seen() {
    let (_, mut station, message_3) = up_to_message_3();
    assert!(station.receive(&message_3).is_ok());
    assert_eq!(station.receive(&message_3), Err(HandshakeError::Replayed(2)));
}

#[test]
fn every_changed_bit_of_message_3_is_noticed() {
    let (_, station, message_3) = up_to_message_3();
    for bit in 0..8 * message_3.len() {
        // Nobody checks the version and the reserved field, but the MIC covers them.
        let mut changed = message_3.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(station.clone().receive(&changed).is_err(), "bit {bit}");
    }
}

#[test]
fn another_rsn_element_in_message_2_is_noticed_though_its_mic_is_right() {
    let mut ap = authenticator(1);
    let elements = (vec![0x30, 0x02, 0x02, 0x00], NETWORK_ELEMENT.to_vec());
    let mut station = Supplicant::new(SIDES, Pmk([1; 32]), elements, [0xb0; 32]);
    let message_1 = sent(ap.poll(at_ms(0), &group_key()));
    let message_2 = octets(station.receive(&message_1).expect("message 1 is good"));
    assert_eq!(ap.receive(&message_2, at_ms(1)), Err(HandshakeError::ElementDiffers));
}

#[test]
fn other_elements_may_follow_the_rsn_element_in_message_2() {
    let mut ap = authenticator(1);
    let more = [STATION_ELEMENT, &[0xf4, 0x01, 0x00]].concat();
    let mut station =
        Supplicant::new(SIDES, Pmk([1; 32]), (more, NETWORK_ELEMENT.to_vec()), [0xb0; 32]);
    let message_1 = sent(ap.poll(at_ms(0), &group_key()));
    let message_2 = octets(station.receive(&message_1).expect("message 1 is good"));
    assert_eq!(ap.receive(&message_2, at_ms(1)), Ok(Progress::PassphraseProved));
}

#[test]
fn a_new_group_key_arrives_by_its_own_handshake() {
    let (mut ap, mut station) = complete();
    let new = GroupKey::new([0x99; KEY_LEN], 2);
    ap.renew_group_key(at_ms(100));
    assert!(ap.awaits_group_key() && ap.temporal_key().is_some());
    let message = sent(ap.poll(at_ms(100), &new));
    assert_eq!(message[5..9], [0x13, 0x82, 0, 0]);
    let answer = octets(station.receive(&message).expect("it is good"));
    assert_eq!(answer[5..7], [0x03, 0x02]);
    assert_eq!(ap.receive(&answer, at_ms(101)), Ok(Progress::GroupKeyAccepted));
    assert_eq!(station.group_key(), Some(&new));
    assert_eq!((ap.group_key_id(), ap.poll_at()), (2, None));
    assert_eq!(station.receive(&message), Err(HandshakeError::Replayed(3)));
}

#[test]
fn another_rsn_element_in_message_3_than_in_beacons_is_noticed() {
    let mut ap = authenticator(1);
    let elements = (STATION_ELEMENT.to_vec(), vec![0x30, 0x02, 0x02, 0x00]);
    let mut station = Supplicant::new(SIDES, Pmk([1; 32]), elements, [0xb0; 32]);
    let message_1 = sent(ap.poll(at_ms(0), &group_key()));
    let message_2 = octets(station.receive(&message_1).expect("message 1 is good"));
    ap.receive(&message_2, at_ms(1)).expect("message 2 is good");
    let message_3 = sent(ap.poll(at_ms(1), &group_key()));
    assert_eq!(station.receive(&message_3), Err(HandshakeError::ElementDiffers));
    assert_eq!(station.temporal_key(), None);
}

#[test]
fn a_station_that_never_confirms_a_group_key_is_given_up() {
    let (mut ap, _) = complete();
    ap.renew_group_key(at_ms(0));
    for second in 0..4 {
        sent(ap.poll(at_ms(1000 * second), &group_key()));
    }
    assert_eq!(
        ap.poll(at_ms(4000), &group_key()),
        Some(Due::GiveUp(crate::radio::frame::Reason::GROUP_KEY_TIMEOUT))
    );
}

#[test]
fn a_frame_that_is_cut_anywhere_is_refused() {
    let (ap, station, message_2) = up_to_message_2();
    for len in 0..message_2.len() {
        assert!(ap.clone().receive(&message_2[..len], at_ms(1)).is_err(), "{len} octets");
        assert!(station.clone().receive(&message_2[..len]).is_err(), "{len} octets");
    }
}

#[test]
fn key_data_longer_than_their_frame_are_refused() {
    let (mut ap, _, mut message_2) = up_to_message_2();
    message_2[98] += 1;
    assert_eq!(ap.receive(&message_2, at_ms(1)), Err(HandshakeError::Truncated));
}

#[test]
fn other_eapol_packets_are_told_apart() {
    assert!(matches!(
        KeyFrame::parse(&[1, 1, 0, 0]),
        Err(HandshakeError::NotKeyFrame { packet_type: 1, descriptor: 0 })
    ));
    let message = Message {
        info: KeyInfo(0x0109),
        key_len: 0,
        replay_counter: 0,
        nonce: &[0; 32],
        receive_sequence_counter: 0,
        data: &[],
    };
    assert!(matches!(
        KeyFrame::parse(&message.to_bytes()),
        Err(HandshakeError::DescriptorVersion(1))
    ));
}

#[test]
fn neither_keys_nor_passphrases_are_shown() {
    let text = format!("{:?} {:?}", complete(), group_key());
    assert!(text.contains("GroupKey { id: 1") && !text.contains("71, 71"));
}

proptest::proptest! {
    #[test]
    fn any_octets_are_a_key_frame_or_an_error(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = KeyFrame::parse(&octets);
        let _ = authenticator(1).receive(&octets, at_ms(0));
        let _ = supplicant(1).receive(&octets);
    }

    #[test]
    fn any_change_of_message_3_is_an_error(
        changes in proptest::collection::vec((0_usize..160, 1_u8..), 1..6),
        len in 0_usize..160,
    ) {
        let (_, mut station, mut message) = up_to_message_3();
        let good = message.clone();
        for (at, change) in changes {
            if let Some(octet) = message.get_mut(at) {
                *octet ^= change;
            }
        }
        message.truncate(len.max(message.len() / 2));
        if message != good {
            proptest::prop_assert!(station.receive(&message).is_err());
        }
    }

    #[test]
    fn any_key_data_hold_a_group_key_or_none(data in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
        let _ = GroupKey::from_key_data(&data);
    }
}
