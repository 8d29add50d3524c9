use super::*;
use crate::peripherals::Clocks;

struct Bench {
    rsa: Rsa,
    cx: Context,
}

impl Bench {
    fn new() -> Self {
        Self { rsa: Rsa::new(), cx: Context::at(Instant::ZERO, Clocks::default()) }
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.rsa.write(offset, value, &self.cx).unwrap();
    }

    fn read(&mut self, offset: u32) -> u32 {
        self.rsa.read(offset, &self.cx).unwrap()
    }

    fn put(&mut self, block: usize, words: &[u32]) {
        for (at, word) in (512 * block as u32..).step_by(4).zip(words) {
            self.write(at, *word);
        }
    }

    fn result(&mut self, words: u32) -> Vec<u32> {
        (0..words).map(|i| self.read(0x200 + 4 * i)).collect()
    }

    fn run(&mut self, start: u32) {
        self.write(start, 1);
        assert_eq!(self.read(reg::INTERRUPT), 0);
        self.cx.now = self.rsa.poll_at().unwrap();
        self.rsa.poll(&self.cx);
        assert_eq!((self.read(reg::INTERRUPT), self.rsa.irq()), (1, 1));
        self.write(reg::INTERRUPT, 1);
        assert_eq!((self.read(reg::INTERRUPT), self.rsa.irq()), (0, 0));
    }
}

/// A number of `count` words, the lowest first, from a small generator.
fn number(seed: u32, count: usize) -> Vec<u32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state ^ state >> 15
    };
    (0..count).map(|_| next()).collect()
}

/// An odd modulus with its top bit set.
fn modulus(seed: u32, count: usize) -> Vec<u32> {
    let mut words = number(seed, count);
    words[0] |= 1;
    words[count - 1] |= 1 << 31;
    words
}

fn m_prime(m: &[u32]) -> u32 {
    let inverse =
        (0..5).fold(1_u32, |x, _| x.wrapping_mul(2_u32.wrapping_sub(m[0].wrapping_mul(x))));
    inverse.wrapping_neg()
}

/// R * R mod m by doubling, as slow and plain as can be.
fn r_squared(m: &[u32]) -> Vec<u32> {
    let mut value = vec![0; m.len()];
    value[0] = 1;
    for _ in 0..64 * m.len() {
        let top = value[m.len() - 1] >> 31 != 0;
        for i in (0..m.len()).rev() {
            value[i] = value[i] << 1 | if i > 0 { value[i - 1] >> 31 } else { 0 };
        }
        let mut less = vec![0; m.len()];
        let borrow = subtract(&value, m, &mut less);
        if top || !borrow {
            value = less;
        }
    }
    value
}

/// Stands for a long result in the tests; expected values come from Python's integers.
fn fold(words: &[u32]) -> u32 {
    words.iter().fold(0, |hash: u32, word| hash.wrapping_mul(0x0100_0193) ^ word)
}

/// Loads modulus, its constants and the factor `a`; returns the factors below the modulus.
fn prepare(bench: &mut Bench, n: usize) -> (Vec<u32>, Vec<u32>) {
    let m = modulus(n as u32, n);
    let [mut a, mut b] = [number(n as u32 + 1, n), number(n as u32 + 2, n)];
    a[n - 1] &= !(1 << 31);
    b[n - 1] &= !(1 << 31);
    bench.put(M, &m);
    bench.put(X, &a);
    bench.put(Z, &r_squared(&m));
    bench.write(reg::M_PRIME, m_prime(&m));
    (a, b)
}

#[test]
fn two_montgomery_steps_multiply_modulo() {
    for (n, expected) in [(16, 0x1711_0aba), (64, 0xea11_358b), (128, 0xf615_a18a)] {
        let mut bench = Bench::new();
        let (_, b) = prepare(&mut bench, n);
        bench.write(reg::MULT_MODE, n as u32 / 16 - 1);
        bench.run(reg::MULT_START);
        bench.put(X, &b);
        bench.run(reg::MULT_START);
        assert_eq!(fold(&bench.result(n as u32)), expected, "{n} words");
    }
}

#[test]
fn exponentiation_gives_what_plain_arithmetic_gives() {
    for (n, expected) in [(16, 0xdeba_7157), (64, 0x9961_227e), (128, 0x2664_16dc)] {
        let mut bench = Bench::new();
        prepare(&mut bench, n);
        bench.put(Y, &[number(7, 1)[0] | 1 << 31]);
        bench.write(reg::MODEXP_MODE, n as u32 / 16 - 1);
        bench.run(reg::MODEXP_START);
        assert_eq!(fold(&bench.result(n as u32)), expected, "{n} words");
    }
    let mut bench = Bench::new();
    prepare(&mut bench, 16);
    bench.put(Y, &number(18, 16));
    bench.run(reg::MODEXP_START);
    assert_eq!(fold(&bench.result(16)), 0xb47b_7fef);
}

#[test]
fn anything_to_the_power_of_zero_is_one() {
    let mut bench = Bench::new();
    prepare(&mut bench, 16);
    bench.run(reg::MODEXP_START);
    let mut one = vec![0; 16];
    one[0] = 1;
    assert_eq!(bench.result(16), one);
}

#[test]
fn plain_products_take_the_second_factor_from_the_upper_half() {
    for (n, expected) in
        [(16, 0xa6fe_4c3b), (32, 0x489f_5ad3), (48, 0x2ead_6867), (64, 0x0c69_0084)]
    {
        let mut bench = Bench::new();
        bench.put(X, &number(n as u32 + 1, n));
        let mut left_extended = vec![0; n];
        left_extended.extend(number(n as u32 + 2, n));
        bench.put(Z, &left_extended);
        bench.write(reg::MULT_MODE, n as u32 / 8 + 7);
        bench.run(reg::MULT_START);
        assert_eq!(fold(&bench.result(2 * n as u32)), expected, "{n} words");
    }
}

#[test]
fn a_modulus_of_all_ones_multiplies_beyond_the_plain_range() {
    // The driver's way around the limit of 2048 bits: M = R - 1, M' = 1, r = 1.
    let mut bench = Bench::new();
    bench.put(M, &[u32::MAX; 96]);
    bench.put(Z, &[1]);
    bench.write(reg::M_PRIME, 1);
    bench.write(reg::MULT_MODE, 5);
    bench.put(X, &[0, 0, 3]);
    bench.run(reg::MULT_START);
    bench.put(X, &[0, 5, 0]);
    bench.run(reg::MULT_START);
    assert_eq!(bench.result(5), [0, 0, 0, 15, 0]);
}

#[test]
fn memory_is_clean_some_time_after_reset() {
    let mut bench = Bench::new();
    bench.put(Y, &[1]);
    bench.rsa.reset(&bench.cx);
    assert_eq!((bench.read(reg::CLEAN), bench.read(0x400)), (0, 0));
    bench.cx.now += CLEAN_TIME;
    assert_eq!(bench.read(reg::CLEAN), 1);
}

#[test]
fn every_offset_takes_every_access() {
    let mut bench = Bench::new();
    for offset in (0..0x900).step_by(4).filter(|at| *at != reg::MODEXP_START) {
        let known = bench.rsa.write(offset, u32::MAX, &bench.cx).is_ok();
        assert_eq!(known, offset <= reg::CLEAN);
        assert_eq!(bench.rsa.read(offset, &bench.cx).is_ok(), known);
    }
    for mode in 0..16 {
        bench.write(reg::MULT_MODE, mode);
        bench.write(reg::MULT_START, 1);
    }
}
