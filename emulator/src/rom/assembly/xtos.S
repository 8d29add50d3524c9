# Small functions that need special registers which native functions cannot reach.
#
# Source: Xtensa HAL reference (signatures); each is the instruction that its name says.

.org 0x4000bba4             # void abort(void): nothing in ROM handles it; a watchdog will
    j .

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
