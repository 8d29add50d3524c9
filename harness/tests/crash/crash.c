/* A program for the ESP32 that dies as ESP-IDF programs do, to test what is told about that.
 *
 * It is loaded into RAM by the mask ROM. What it prints follows ESP-IDF's panic handler; the
 * addresses are its own. The compiler is one for the ESP8266, whose instructions the ESP32 has too.
 */

#define UART0_FIFO (*(volatile unsigned *)0x3ff40000)
#define UART0_STATUS (*(volatile unsigned *)0x3ff4001c)
#define TXFIFO_CNT(status) (((status) >> 16) & 0xff)

extern char crash_here[], back_from_blink[];

static void put_byte(char byte)
{
    while (TXFIFO_CNT(UART0_STATUS) > 100) {
    }
    UART0_FIFO = byte;
}

static void put(const char *text)
{
    while (*text) {
        put_byte(*text++);
    }
}

static void put_hex(unsigned value)
{
    put("0x");
    for (int shift = 28; shift >= 0; shift -= 4) {
        put_byte("0123456789abcdef"[(value >> shift) & 15]);
    }
}

static void die(void)
{
    put("Guru Meditation Error: Core  0 panic'ed (StoreProhibited). Exception was unhandled.\r\n");
    put("Core  0 register dump:\r\nPC      : ");
    put_hex((unsigned)crash_here);
    put("  PS      : 0x00060330\r\n\r\nBacktrace: ");
    put_hex((unsigned)crash_here - 3);
    put(":0x3ffb5000 ");
    put_hex((unsigned)back_from_blink - 3);
    put(":0x3ffb5020\r\n\r\nRebooting...\r\n");
}

static inline __attribute__((always_inline)) void poke(volatile int *led)
{
    __asm__ volatile(".global crash_here\ncrash_here:");
    *led = 1; /* poke dies */
}

static __attribute__((noinline)) void blink(volatile int *led)
{
    die();
    poke(led); /* blink pokes */
}

void start(void)
{
    static int led;
    put("blinking\r\n");
    blink(&led); /* start blinks */
    __asm__ volatile(".global back_from_blink\nback_from_blink:");
    for (;;) {
    }
}
