# The main loop of the serial loader: looks for a host on UART0 and UART1 in turn, then serves it.
#
# Source: as callbacks/download.rs.

.org 0x400076c8
.literal message, 0x3ffc0000
.literal entry_address, 0x3ffe0400

.org 0x400076d0             # void download(void)
download:
    entry a1, 32
    movi a10, 32
    call8 0x40006808        # ets_isr_unmask
look:
    movi a10, 0
    call8 0x40008738        # UartConnCheck
    bnez a10, serve
    movi a10, 1
    call8 0x40008738
    beqz a10, look
    j serve

.org 0x40007700             # void download_uart0(void)
download_uart0:
    entry a1, 32
    movi a10, 0
    movi a11, 0
    call8 0x40009034        # uart_baudrate_detect
    extui a11, a10, 0, 16
    movi a10, 0
    call8 0x400090cc        # uart_div_modify
serve:
    l32r a10, message
    movi a11, 1
    slli a11, a11, 13       # room for a message
    l32r a12, entry_address
    call8 0x40008ce8        # UartDwnLdProc
    retw
download_end:
