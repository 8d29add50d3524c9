//! Images that the ROM loads, made of assembly.

use esp32_emulator::cpu::assembler::Assembly;

/// One segment of code at `address`, which begins at the label `start`.
pub(crate) fn esp_image(address: u32, assembly: &Assembly) -> Vec<u8> {
    let mut code = assembly.bytes().to_vec();
    code.resize(code.len().next_multiple_of(4), 0);
    let mut image = vec![0xe9, 1, 2, 0x20];
    image.extend(assembly.symbol("start").expect("a label").to_le_bytes());
    image.extend([0xee, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    image.extend(address.to_le_bytes());
    image.extend((code.len() as u32).to_le_bytes());
    image.extend(&code);
    image.resize(image.len() | 15, 0);
    image.push(code.iter().fold(0xef, |sum, byte| sum ^ byte));
    image
}
