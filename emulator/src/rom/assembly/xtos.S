# Small functions that need special registers which native functions cannot reach, or that firmware
# calls so often that leaving guest code for them takes longer than what they do.
#
# Source: Xtensa HAL reference and the GCC manual, "Integer library routines" (signatures); each is
# what its name says.

.org 0x4000bba4             # void abort(void): nothing in ROM handles it; a watchdog will
    j .

.org 0x4000bfdc             # int _xtos_set_intlevel(int level): the old level
    entry a1, 16
    rsr.ps a3
    xor a4, a3, a2          # where they differ in the level, it changes
    extui a4, a4, 0, 4
    xor a4, a3, a4
    wsr.ps a4
    rsync
    extui a2, a3, 0, 4
    retw.n
.org 0x4000bff8             # unsigned _xtos_set_min_intlevel(int level): raises only; PS as it was
    entry a1, 16
    rsr.ps a3
    extui a4, a3, 0, 4
    extui a2, a2, 0, 4
    maxu a2, a2, a4
    xor a4, a3, a2
    extui a4, a4, 0, 4
    xor a4, a3, a4
    wsr.ps a4
    rsync
    mov.n a2, a3
    retw.n

.org 0x4000c01c             # void _xtos_unhandled_interrupt(void)
    entry a1, 16
    retw

.org 0x4000c050             # unsigned xthal_get_ccount(void)
    entry a1, 16
    rsr.ccount a2
    retw.n
.org 0x4000c058             # void xthal_set_ccompare(int n, unsigned value)
    entry a1, 16
    beqz a2, set_compare0
    beqi a2, 1, set_compare1
    wsr.ccompare2 a3
    retw.n
set_compare0:
    wsr.ccompare0 a3
    retw.n
set_compare1:
    wsr.ccompare1 a3
    retw.n
.org 0x4000c078             # unsigned xthal_get_ccompare(int n)
    entry a1, 16
    beqz a2, get_compare0
    beqi a2, 1, get_compare1
    rsr.ccompare2 a2
    retw.n
get_compare0:
    rsr.ccompare0 a2
    retw.n
get_compare1:
    rsr.ccompare1 a2
    retw.n
.org 0x4000c1e4             # unsigned xthal_get_interrupt(void)
    entry a1, 16
    rsr.interrupt a2
    retw.n
.org 0x4000c1ec             # void xthal_set_intclear(unsigned mask)
    entry a1, 16
    wsr.intclear a2
    retw.n

.org 0x40064ae0             # int __bswapsi2(int)
    entry a1, 16
    ssai 8
    extui a3, a2, 16, 16
    src a3, a3, a2
    src a3, a3, a3
    src a2, a2, a3
    retw.n
