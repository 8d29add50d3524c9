# Block functions of the C library that firmware calls all the time: FreeRTOS compares the end of a
# stack with its pattern at every task switch.
#
# Source: ISO C for the semantics. Words are read where both blocks begin at one, as newlib does, and
# bytes for what is left or differs: memory that takes words only takes no others, as on silicon.

.org 0x4000c260             # int memcmp(const void *a, const void *b, size_t n): of the first bytes
    entry a1, 16            # that differ, the difference
    or a5, a2, a3
    extui a5, a5, 0, 2
    bnez a5, compare_bytes
compare_words:
    bltui a4, 4, compare_bytes
    l32i.n a5, a2, 0
    l32i.n a6, a3, 0
    bne a5, a6, compare_bytes
    addi.n a2, a2, 4
    addi.n a3, a3, 4
    addi a4, a4, -4
    j compare_words
compare_bytes:
    beqz.n a4, compare_equal
    l8ui a5, a2, 0
    l8ui a6, a3, 0
    bne a5, a6, compare_different
    addi.n a2, a2, 1
    addi.n a3, a3, 1
    addi.n a4, a4, -1
    j compare_bytes
compare_different:
    sub a2, a5, a6
    retw.n
compare_equal:
    movi.n a2, 0
    retw.n
compare_end:

.org 0x40064a70             # int __gcc_bcmp(const void *a, const void *b, size_t n)
    entry a1, 32
    mov.n a10, a2
    mov.n a11, a3
    mov.n a12, a4
    call8 0x4000c260
    mov.n a2, a10
    retw.n
