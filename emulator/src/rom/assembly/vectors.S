# Window vectors, exception vectors and the level-1 interrupt dispatcher, for firmware that has not
# set VECBASE: second-stage bootloaders, an APP_CPU on its way, and the flasher stubs of esptool.
#
# Source: Xtensa ISA reference manual: "Windowed Register Option" (what a window handler must save
# and restore, and where), "Exception Option" and "Interrupt Option".
#
# Registers named a0 to a15 below are those of the interrupted window unless a ROTW has moved it.

.org 0x40000000             # overflow of a frame that made a CALL4; a5 is the callee's stack
    s32e a0, a5, -16
    s32e a1, a5, -12
    s32e a2, a5, -8
    s32e a3, a5, -4
    rfwo

# MOVSP found the caller's frame in memory. Bring it back as a return would have done, and run MOVSP
# again. How far back the caller's window is stands in the top bits of the frame's own a0. The window
# that ROTW -1 enters belongs to nobody, or MOVSP would not have come here: its four registers are
# free. The underflow handlers end with RFWU, which goes back to the window in PS.OWB.
.org 0x40000010
    j alloca_far

.org 0x40000040             # return to a frame that made a CALL4
underflow4:
    l32e a0, a5, -16
    l32e a1, a5, -12
    l32e a2, a5, -8
    l32e a3, a5, -4
    rfwu

.org 0x40000080             # overflow, CALL8; a9 is the callee's stack
    s32e a0, a9, -16
    l32e a0, a1, -12        # the caller's stack, below which the rest goes
    s32e a1, a9, -12
    s32e a2, a9, -8
    s32e a3, a9, -4
    s32e a4, a0, -32
    s32e a5, a0, -28
    s32e a6, a0, -24
    s32e a7, a0, -20
    rfwo

.org 0x400000c0             # return, CALL8
underflow8:
    l32e a0, a9, -16
    l32e a1, a9, -12
    l32e a2, a9, -8
    l32e a7, a1, -12
    l32e a3, a9, -4
    l32e a4, a7, -32
    l32e a5, a7, -28
    l32e a6, a7, -24
    l32e a7, a7, -20
    rfwu

.org 0x40000100             # overflow, CALL12; a13 is the callee's stack
    s32e a0, a13, -16
    l32e a0, a1, -12
    s32e a1, a13, -12
    s32e a2, a13, -8
    s32e a3, a13, -4
    s32e a4, a0, -48
    s32e a5, a0, -44
    s32e a6, a0, -40
    s32e a7, a0, -36
    s32e a8, a0, -32
    s32e a9, a0, -28
    s32e a10, a0, -24
    s32e a11, a0, -20
    rfwo

.org 0x40000140             # return, CALL12
underflow12:
    l32e a0, a13, -16
    l32e a1, a13, -12
    l32e a2, a13, -8
    l32e a11, a1, -12
    l32e a3, a13, -4
    l32e a4, a11, -48
    l32e a5, a11, -44
    l32e a6, a11, -40
    l32e a7, a11, -36
    l32e a8, a11, -32
    l32e a9, a11, -28
    l32e a10, a11, -24
    l32e a11, a11, -20
    rfwu

# High-priority interrupts have no handlers in ROM. A level interrupt without one would come again
# for ever; so would this loop, until a watchdog ends it.
.org 0x40000180
    j .
.org 0x400001c0
    j .
.org 0x40000200
    j .
.org 0x40000240
    j .
.org 0x40000280
    j .
.org 0x400002c0
    j .
.org 0x40000300             # kernel exceptions: the ROM never leaves user mode
    j .

.org 0x40000340             # user exceptions
    wsr.excsave1 a0
    rsr.exccause a0
    beqi a0, 4, to_interrupt
    beqi a0, 5, to_alloca
    beqi a0, 1, to_syscall
    j .                     # nobody handles it: a watchdog will
to_interrupt:
    j interrupt
to_alloca:
    j alloca_far
to_syscall:
    j syscall

.org 0x400003c0             # double exceptions
    j .

.org 0x40000400             # reset
    j reset

# ---------------------------------------------------------------------------------------------------

.org 0x40000560
.literal level1_lines, 0x000637ff           # interrupts of level 1
.literal dispatcher_ps, 0x00040023          # WOE, UM, INTLEVEL 3
.literal handlers_pro, 0x3ffe0658
.literal handlers_app, 0x3ffe4568
.literal app_boot_address, 0x3ff00038       # DPORT_APPCPU_CTRL_D
.literal app_stack, 0x3ffe7e00
.literal pro_stack, 0x3ffe3eb0
.literal printf_address, 0x40007d54
.literal done_text_address, done_text
.literal start_ps, 0x00040020               # WOE, UM

# The host boots PRO_CPU here: the SIMCALL is repeated until firmware is loaded. A wake-up stub
# returns to it.
.org 0x400005c0
native_boot:
    simcall
    j native_boot

# Where a program comes back that was started by the boot.
.org 0x400005d0
user_code_done:
    l32r a10, done_text_address
    l32r a2, printf_address
    callx8 a2
    j .

# Both cores begin here. PRO_CPU boots; APP_CPU waits for an address and calls it.
reset:
    movi a0, 0
    wsr.intenable a0
    wsr.lcount a0
    wsr.windowbase a0
    rsync
    movi a0, 1
    wsr.windowstart a0
    rsync
    l32r a0, start_ps
    wsr.ps a0
    rsync
    movi a0, 0
    rsr.prid a2
    bbsi a2, 13, wait_for_address           # 0xabab has bit 13, 0xcdcd has not
    l32r a1, pro_stack
    j native_boot

wait_for_address:
    l32r a1, app_stack
    addi a2, a1, -16                        # a caller's stack pointer, as if we had one: when this
    addi a3, a1, 48                         # frame is spilled, its a4-a7 go below that
    s32i a3, a2, 4
    l32r a2, app_boot_address
again:
    l32i a4, a2, 0
    memw
    beqz a4, again
    callx8 a4
    j .

# The far end of MOVSP's exception; a0 of the frame is in EXCSAVE1.
alloca_far:
    rsr.windowbase a0
    rotw -1                                 # a4 is now the number of the frame's window
    rsr.ps a0
    slli a1, a4, 8
    extui a2, a0, 8, 4                      # PS.OWB as it is
    slli a2, a2, 8
    xor a0, a0, a2
    or a0, a0, a1                           # and as RFWU shall find it
    wsr.ps a0
    rsr.excsave1 a4                         # the frame's a0 is whole again
    rsync
    bbci a4, 31, to_underflow4
    rotw -1
    bbci a8, 30, to_underflow8
    rotw -1
    j underflow12
to_underflow4:
    j underflow4
to_underflow8:
    j underflow8

# SYSCALL: spills every window but the current one. The frame's own stack pointer must stay in place
# meanwhile, because its caller is spilled below it; state is kept a little further down.
syscall:
    addi a0, a1, -64
    s32i a3, a0, 0
    rsr.epc1 a3
    addi a3, a3, 3                          # go on behind the SYSCALL
    s32i a3, a0, 4
    rsr.excsave1 a3
    s32i a3, a0, 8
    rsr.ps a3
    s32i a3, a0, 12
    l32r a3, dispatcher_ps
    wsr.ps a3
    rsync
    and a12, a12, a12                       # each of these spills what lives three windows on
    rotw 3
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 4
    l32i a3, a0, 12
    wsr.ps a3                               # with EXCM, as it was
    rsync
    l32i a3, a0, 4
    wsr.epc1 a3
    movi a2, 0
    l32i a3, a0, 0
    l32i a0, a0, 8
    rfe

# Level-1 interrupts: everything that a handler may change is saved on the stack, above the 16 bytes
# that belong to the frame's caller; the other windows are spilled; then each pending handler is
# called by CALL4, which needs no more of this window than a0 to a3.
interrupt:
    addi a0, a1, -128
    s32i a1, a0, 4
    s32i a2, a0, 8
    s32i a3, a0, 12
    rsr.excsave1 a2
    s32i a2, a0, 0
    s32i a4, a0, 16
    s32i a5, a0, 20
    s32i a6, a0, 24
    s32i a7, a0, 28
    s32i a8, a0, 32
    s32i a9, a0, 36
    s32i a10, a0, 40
    s32i a11, a0, 44
    s32i a12, a0, 48
    s32i a13, a0, 52
    s32i a14, a0, 56
    s32i a15, a0, 60
    rsr.epc1 a2
    s32i a2, a0, 64
    rsr.ps a2
    s32i a2, a0, 68
    rsr.sar a2
    s32i a2, a0, 72
    rsr.lbeg a2
    s32i a2, a0, 76
    rsr.lend a2
    s32i a2, a0, 80
    rsr.lcount a2
    s32i a2, a0, 84
    movi a2, 0
    wsr.lcount a2
    l32r a2, dispatcher_ps
    wsr.ps a2
    rsync
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 3
    and a12, a12, a12
    rotw 4
    mov a1, a0
next_interrupt:
    rsr.interrupt a2
    rsr.intenable a3
    and a2, a2, a3
    l32r a3, level1_lines
    and a2, a2, a3
    beqz a2, interrupts_done
    nsau a3, a2                             # the table runs downwards, so this is the index
    movi a2, 1
    slli a2, a2, 31
    ssr a3
    srl a2, a2
    wsr.intclear a2                         # for those that latch
    l32r a2, handlers_pro
    rsr.prid a4
    bbci a4, 13, on_pro
    l32r a2, handlers_app
on_pro:
    slli a3, a3, 3
    add a2, a2, a3
    l32i a3, a2, 0
    l32i a6, a2, 4
    callx4 a3
    j next_interrupt
interrupts_done:
    mov a0, a1
    l32i a2, a0, 68
    wsr.ps a2                               # EXCM again
    rsync
    l32i a2, a0, 64
    wsr.epc1 a2
    l32i a2, a0, 72
    wsr.sar a2
    l32i a2, a0, 76
    wsr.lbeg a2
    l32i a2, a0, 80
    wsr.lend a2
    l32i a2, a0, 84
    wsr.lcount a2
    l32i a1, a0, 4
    l32i a2, a0, 8
    l32i a3, a0, 12
    l32i a4, a0, 16
    l32i a5, a0, 20
    l32i a6, a0, 24
    l32i a7, a0, 28
    l32i a8, a0, 32
    l32i a9, a0, 36
    l32i a10, a0, 40
    l32i a11, a0, 44
    l32i a12, a0, 48
    l32i a13, a0, 52
    l32i a14, a0, 56
    l32i a15, a0, 60
    l32i a0, a0, 0
    rfe
done_text:                              # "user code done", LF
    .word 0x72657375, 0x646f6320, 0x6f642065, 0x000a656e
.global vectors_end
vectors_end:
