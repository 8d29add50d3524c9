//! RSA accelerator: Montgomery multiplication, modular exponentiation and plain multiplication of
//! numbers of up to 4096 bits.
//!
//! Source: ESP32 Technical Reference Manual, chapter "RSA Accelerator (RSA)"; use of the memory
//! blocks from the big-number driver of ESP-IDF v5.0; C. K. Koc et al., "Analyzing and Comparing
//! Montgomery Multiplication Algorithms" (coarsely integrated operand scanning).
//! Modelled: memory blocks M, Z (also r and the second factor), Y, X; M'; mode and start
//! registers; interrupt, which is also the sign of completion; CLEAN after reset. The operations
//! follow the algorithm with the M' that software gives, so wrong inputs give wrong results, not
//! errors.
//! Not modelled: exact durations, which the manual does not state; one Montgomery step of n words
//! is charged 4 n n APB clocks, in accord with the times that ESP-IDF publishes for RSA.
//!
//! Interrupt line: bit 0, completion.

use super::{Context, Peripheral, Unmodelled};
use crate::time::{Duration, Instant};

mod reg {
    pub(super) const MEM_LAST: u32 = 0x7fc;
    pub(super) const M_PRIME: u32 = 0x800;
    pub(super) const MODEXP_MODE: u32 = 0x804;
    pub(super) const MODEXP_START: u32 = 0x808;
    pub(super) const MULT_MODE: u32 = 0x80c;
    pub(super) const MULT_START: u32 = 0x810;
    pub(super) const INTERRUPT: u32 = 0x814;
    pub(super) const CLEAN: u32 = 0x818;
}

/// Words of one memory block.
const BLOCK: usize = 128;
const M: usize = 0;
const Z: usize = 1;
const Y: usize = 2;
const X: usize = 3;

/// Time that zeroing the memory takes after reset.
const CLEAN_TIME: Duration = Duration::from_nanos(1300);

type Block = [u32; BLOCK];

/// The accelerator.
#[derive(Debug, Clone)]
pub struct Rsa {
    memory: Box<[Block; 4]>,
    m_prime: u32,
    modexp_mode: u32,
    mult_mode: u32,
    done: bool,
    done_at: Option<Instant>,
    clean_at: Instant,
}

impl Default for Rsa {
    fn default() -> Self {
        Self {
            memory: Box::new([[0; BLOCK]; 4]),
            m_prime: 0,
            modexp_mode: 0,
            mult_mode: 0,
            done: false,
            done_at: None,
            clean_at: Instant::ZERO,
        }
    }
}

impl Rsa {
    /// The accelerator with clean memory.
    pub fn new() -> Self {
        Self::default()
    }

    fn word(&mut self, offset: u32) -> &mut u32 {
        let at = (offset / 4) as usize;
        &mut self.memory[at / BLOCK % 4][at % BLOCK]
    }

    fn montgomery(&self, a: &Block, b: &Block, words: usize) -> Block {
        montgomery(&a[..words], &b[..words], &self.memory[M][..words], self.m_prime)
    }

    /// Z = X ^ Y mod M, with r = R * R mod M in block Z. Returns the number of multiplications.
    fn modexp(&mut self, words: usize) -> u64 {
        let mut one = [0; BLOCK];
        one[0] = 1;
        let r = self.memory[Z];
        let base = self.montgomery(&self.memory[X], &r, words);
        let mut power = self.montgomery(&one, &r, words);
        let mut count = 3;
        let exponent = self.memory[Y];
        let bits = exponent[..words]
            .iter()
            .rev()
            .flat_map(|word| (0..32).rev().map(move |bit| word >> bit & 1));
        for bit in bits.skip_while(|bit| *bit == 0) {
            power = self.montgomery(&power, &power, words);
            count += 1;
            if bit != 0 {
                power = self.montgomery(&power, &base, words);
                count += 1;
            }
        }
        let result = self.montgomery(&power, &one, words);
        self.memory[Z][..words].copy_from_slice(&result[..words]);
        count
    }

    /// Z = X * Z / R mod M.
    fn modular_step(&mut self, words: usize) {
        let result = self.montgomery(&self.memory[X], &self.memory[Z], words);
        self.memory[Z][..words].copy_from_slice(&result[..words]);
    }

    /// Z = X * (upper half of Z), `words` words each.
    fn multiply(&mut self, words: usize) {
        let mut product = [0; BLOCK];
        for i in 0..words {
            let factor = self.memory[Z][words + i];
            let mut carry = 0;
            for j in 0..words {
                (product[i + j], carry) = step(product[i + j], self.memory[X][j], factor, carry);
            }
            product[i + words] = carry;
        }
        self.memory[Z][..2 * words].copy_from_slice(&product[..2 * words]);
    }

    fn finish_after(&mut self, clocks: u64, cx: &Context) {
        self.done_at = Some(cx.after(Duration::of_periods(clocks, cx.clocks.apb)));
    }

    fn start_modexp(&mut self, cx: &Context) {
        let words = 16 * (self.modexp_mode as usize + 1);
        let count = self.modexp(words);
        self.finish_after(count * step_clocks(words), cx);
    }

    fn start_mult(&mut self, cx: &Context) {
        let mode = self.mult_mode as usize;
        let words = if mode < 8 {
            let words = 16 * (mode + 1);
            self.modular_step(words);
            words
        } else {
            let words = 8 * (mode - 7); // half of the result, whose 512-bit units the mode counts
            self.multiply(words);
            words
        };
        self.finish_after(step_clocks(words), cx);
    }
}

fn step_clocks(words: usize) -> u64 {
    4 * (words * words) as u64
}

/// `sum + a * b + carry` as low and high word; cannot overflow.
fn step(sum: u32, a: u32, b: u32, carry: u32) -> (u32, u32) {
    let all = u64::from(a) * u64::from(b) + u64::from(sum) + u64::from(carry);
    (all as u32, (all >> 32) as u32)
}

/// `a * b / 2^(32 n) mod m` of n-word numbers, when `m_prime` is `-1 / m mod 2^32`.
fn montgomery(a: &[u32], b: &[u32], m: &[u32], m_prime: u32) -> Block {
    let n = m.len();
    let mut t = [0_u32; BLOCK + 2];
    for &factor in b {
        let mut carry = 0;
        for (sum, &word) in t.iter_mut().zip(a) {
            (*sum, carry) = step(*sum, word, factor, carry);
        }
        let (low, overflow) = t[n].overflowing_add(carry);
        (t[n], t[n + 1]) = (low, u32::from(overflow));

        let q = t[0].wrapping_mul(m_prime);
        let (_, mut carry) = step(t[0], m[0], q, 0);
        for j in 1..n {
            (t[j - 1], carry) = step(t[j], m[j], q, carry);
        }
        let (low, overflow) = t[n].overflowing_add(carry);
        t[n - 1] = low;
        t[n] = t[n + 1].wrapping_add(u32::from(overflow));
    }
    let mut result = [0; BLOCK];
    let borrow = subtract(&t[..n], m, &mut result);
    if t[n] == 0 && borrow {
        result[..n].copy_from_slice(&t[..n]);
    }
    result
}

/// `difference = a - b`; whether it borrows.
fn subtract(a: &[u32], b: &[u32], difference: &mut [u32]) -> bool {
    let mut borrow = false;
    for ((to, &a), &b) in difference.iter_mut().zip(a).zip(b) {
        let (value, first) = a.overflowing_sub(b);
        let (value, second) = value.overflowing_sub(u32::from(borrow));
        *to = value;
        borrow = first || second;
    }
    borrow
}

impl Peripheral for Rsa {
    const NAME: &'static str = "RSA";

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            0..=reg::MEM_LAST => *self.word(offset),
            reg::M_PRIME => self.m_prime,
            reg::MODEXP_MODE => self.modexp_mode,
            reg::MULT_MODE => self.mult_mode,
            reg::MODEXP_START | reg::MULT_START => 0,
            reg::INTERRUPT => self.done.into(),
            reg::CLEAN => u32::from(cx.now >= self.clean_at),
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            0..=reg::MEM_LAST => *self.word(offset) = value,
            reg::M_PRIME => self.m_prime = value,
            reg::MODEXP_MODE => self.modexp_mode = value & 7,
            reg::MULT_MODE => self.mult_mode = value & 15,
            reg::MODEXP_START if value & 1 != 0 => self.start_modexp(cx),
            reg::MULT_START if value & 1 != 0 => self.start_mult(cx),
            reg::MODEXP_START | reg::MULT_START | reg::CLEAN => {}
            reg::INTERRUPT => self.done &= value & 1 == 0,
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        if self.done_at.is_some_and(|at| at <= cx.now) {
            self.done_at = None;
            self.done = true;
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.done_at
    }

    fn irq(&self) -> u32 {
        self.done.into()
    }

    fn reset(&mut self, cx: &Context) {
        *self = Self { clean_at: cx.after(CLEAN_TIME), ..Self::default() };
    }
}

#[cfg(test)]
mod tests;
