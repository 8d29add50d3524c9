//! Sorting with the application's comparator.
//!
//! *Source*: ISO C for the semantics; the method is the classic heapsort, which needs neither memory
//! nor recursion.
//! *Modelled*: any element size and count.
//! *Not modelled*: the order in which the mask ROM's quicksort leaves elements that compare equal
//! (C leaves it open).

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::coroutine::{Coroutine, coroutine};

/// The functions of this module.
pub(super) const TABLE: &[Coroutine] = &[coroutine(0x4005_6424, "qsort", 6, begin, step)];

// Words of the frame.
/// What the last comparison was about.
const PHASE: u32 = 0;
/// Elements still in the heap.
const END: u32 = 1;
/// Next root to sink while the heap is built; 0 afterwards.
const START: u32 = 2;
/// The element that is sinking.
const ROOT: u32 = 3;
/// The child it is compared with.
const CHILD: u32 = 4;

/// Nothing compared yet: choose an element to sink.
const CHOOSE: u32 = 0;
/// The two children were compared.
const CHILDREN: u32 = 1;
/// The root and the larger child were compared.
const PARENT: u32 = 2;

fn begin(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let count = if call.get(2) == 0 { 0 } else { call.get(1) };
    call.set_local(END, count)?;
    call.set_local(START, count / 2)?;
    call.set_local(PHASE, CHOOSE)?;
    Ok(Outcome::Next)
}

fn element(call: &Call<'_>, index: u32) -> u32 {
    call.get(0).wrapping_add(index.wrapping_mul(call.get(2)))
}

fn compare(call: &mut Call<'_>, phase: u32, a: u32, b: u32) -> Result<Outcome, Stop> {
    let (a, b, comparator) = (element(call, a), element(call, b), call.get(3));
    call.set_phase(phase)?;
    Ok(call.invoke(comparator, &[a, b]))
}

fn swap(call: &mut Call<'_>, a: u32, b: u32) -> Result<(), Stop> {
    let (a, b, mut left) = (element(call, a), element(call, b), call.get(2));
    let mut offset = 0;
    while left > 0 {
        let n = left.min(64) as usize;
        let (mut x, mut y) = ([0; 64], [0; 64]);
        call.read(a.wrapping_add(offset), &mut x[..n])?;
        call.read(b.wrapping_add(offset), &mut y[..n])?;
        call.write(a.wrapping_add(offset), &y[..n])?;
        call.write(b.wrapping_add(offset), &x[..n])?;
        call.charge(n as u64 + 10);
        left -= n as u32;
        offset = offset.wrapping_add(n as u32);
    }
    Ok(())
}

/// `void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))`
fn step(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        CHILDREN => {
            if (call.returned() as i32) < 0 {
                let child = call.local(CHILD)?;
                call.set_local(CHILD, child + 1)?;
            }
            let (root, child) = (call.local(ROOT)?, call.local(CHILD)?);
            compare(call, PARENT, root, child)
        }
        PARENT => {
            let (root, child) = (call.local(ROOT)?, call.local(CHILD)?);
            if call.returned() as i32 >= 0 {
                return choose(call);
            }
            swap(call, root, child)?;
            call.set_local(ROOT, child)?;
            sink(call)
        }
        _ => choose(call),
    }
}

/// The next element that has to sink: roots from the middle down while the heap is built, then each
/// time the last one after it has changed places with the first, the largest.
fn choose(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (start, end) = (call.local(START)?, call.local(END)?);
    if start > 0 {
        call.set_local(START, start - 1)?;
        call.set_local(ROOT, start - 1)?;
        return sink(call);
    }
    if end <= 1 {
        return Ok(call.finish(0));
    }
    swap(call, 0, end - 1)?;
    call.set_local(END, end - 1)?;
    call.set_local(ROOT, 0)?;
    sink(call)
}

/// Compares the children of the sinking element, or the only child with it, or is done with it.
fn sink(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (root, end) = (call.local(ROOT)?, call.local(END)?);
    let child = 2 * root + 1;
    call.set_local(CHILD, child)?;
    if child + 1 < end {
        compare(call, CHILDREN, child, child + 1)
    } else if child < end {
        compare(call, PARENT, root, child)
    } else {
        // Nothing to compare: the step is repeated and chooses the next element.
        call.set_phase(CHOOSE)?;
        Ok(Outcome::Again)
    }
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{DRAM, FakeGuest, Random};

    #[test]
    fn any_array_comes_out_in_order() {
        let mut random = Random::new(4);
        for round in 0..60 {
            let (n, size) = (random.below(40), [1, 3, 4, 12, 100][round % 5]);
            let mut guest = FakeGuest::new(64);
            let rows: Vec<Vec<u8>> =
                (0..n).map(|_| (0..size).map(|_| random.next() as u8 & 3).collect()).collect();
            guest.put(DRAM, &rows.concat());
            let arguments = [DRAM, n, size, 0x4008_0000];
            guest.call_coroutine("qsort", &arguments, |guest, target, arguments| {
                assert_eq!(target, 0x4008_0000);
                let a = guest.get(arguments[0], size as usize);
                let b = guest.get(arguments[1], size as usize);
                a.cmp(&b) as i32 as u32
            });
            let mut expected = rows.clone();
            expected.sort();
            assert_eq!(guest.get(DRAM, (n * size) as usize), expected.concat());
        }
    }
}
