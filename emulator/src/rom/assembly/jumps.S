# setjmp and longjmp.
#
# Source: newlib's documented behaviour; Xtensa ISA reference manual, "Windowed Register Option", for
# where a frame's registers are in memory. The entry in the middle of longjmp is used by ESP-IDF's own
# longjmp, which does the invalidation itself.
#
# jmp_buf, 17 words: 0-3 the caller's a0-a3 as spilled; 4-11 the rest of what the caller's frame
# spilled (nothing for CALL4, four words for CALL8, eight for CALL12); 12-15 the base save area below
# the caller's own stack pointer, its caller's a0-a3; 16 the return address with the call size on top.

.org 0x40056268             # int setjmp(jmp_buf buf)
    entry a1, 16
    rsil a3, 3
    and a12, a12, a12       # spill everything but this frame, see vectors.S
    rotw 3
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 4
    wsr.ps a3
    rsync
    j setjmp_rest

.org 0x400562cc             # void longjmp(jmp_buf buf, int value)
    entry a1, 16
    j forget_frames
.org 0x400562e0             # from here on with a2, a3 set and only this frame's window in use
longjmp_rest:
    l32i a0, a2, 64
    addi a7, a1, -16        # below our stack: the caller's a0-a3 of then
    l32i a4, a2, 0
    l32i a5, a2, 4
    s32i a4, a7, 0
    s32i a5, a7, 4
    l32i a4, a2, 8
    l32i a5, a2, 12
    s32i a4, a7, 8
    s32i a5, a7, 12
    j longjmp_far

# ---------------------------------------------------------------------------------------------------

.org 0x4005a980
setjmp_rest:
    s32i a0, a2, 64
    addi a7, a1, -16        # the caller's a0-a3
    l32i a4, a7, 0
    l32i a5, a7, 4
    s32i a4, a2, 0
    s32i a5, a2, 4
    l32i a4, a7, 8
    l32i a5, a7, 12
    s32i a4, a2, 8
    s32i a5, a2, 12
    l32i a4, a1, 0          # our frame has 16 bytes, so this is what lies below the caller's stack
    l32i a5, a1, 4
    s32i a4, a2, 48
    s32i a5, a2, 52
    l32i a4, a1, 8
    l32i a6, a1, 12
    s32i a4, a2, 56
    s32i a6, a2, 60
    extui a4, a0, 30, 2     # size of the call that came here
    slli a6, a4, 4
    sub a5, a5, a6          # where the caller's frame keeps the rest
    addi a6, a2, 16
save_quad:
    blti a4, 2, setjmp_done
    l32i a7, a5, 0
    s32i a7, a6, 0
    l32i a7, a5, 4
    s32i a7, a6, 4
    l32i a7, a5, 8
    s32i a7, a6, 8
    l32i a7, a5, 12
    s32i a7, a6, 12
    addi a5, a5, 16
    addi a6, a6, 16
    addi a4, a4, -1
    j save_quad
setjmp_done:
    movi a2, 0
    retw

longjmp_far:
    l32i a5, a2, 52
    extui a4, a0, 30, 2
    slli a6, a4, 4
    sub a5, a5, a6
    addi a6, a2, 16
restore_quad:
    blti a4, 2, restore_base
    l32i a7, a6, 0
    s32i a7, a5, 0
    l32i a7, a6, 4
    s32i a7, a5, 4
    l32i a7, a6, 8
    s32i a7, a5, 8
    l32i a7, a6, 12
    s32i a7, a5, 12
    addi a5, a5, 16
    addi a6, a6, 16
    addi a4, a4, -1
    j restore_quad
restore_base:
    l32i a5, a2, 4          # the caller's stack pointer
    addi a5, a5, -16
    l32i a4, a2, 48
    l32i a7, a2, 52
    s32i a4, a5, 0
    s32i a7, a5, 4
    l32i a4, a2, 56
    l32i a7, a2, 60
    s32i a4, a5, 8
    s32i a7, a5, 12
    movi a2, 1
    movnez a2, a3, a3
    retw                    # underflows, and so reloads the caller as it was

# The frames in between are dropped: only our own window stays live.
forget_frames:
    rsil a6, 3
    rsr.windowbase a4
    ssl a4
    movi a5, 1
    sll a5, a5
    wsr.windowstart a5
    rsync
    wsr.ps a6
    rsync
    j longjmp_rest
.global jumps_end
jumps_end:
