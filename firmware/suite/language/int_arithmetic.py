# Integers: signs of floor division and modulo, powers, shifts, bits, bases.
for a, b in ((7, 3), (-7, 3), (7, -3), (-7, -3), (6, 3), (-6, 3)):
    print(a // b, a % b, divmod(a, b))
print(2**10, (-2) ** 3, pow(7, 5, 13), pow(3, 0))
print(1 << 20, -1 >> 3, -17 >> 2, 0xF0 & 0x3C, 0xF0 | 0x0F, 0xFF ^ 0x55, ~5)
print(int("-42"), int("ff", 16), int("0b101", 0), int("0o17", 0), int(" 12 "))
print(bin(10), oct(64), hex(-255), abs(-9), True + True, not 0)
for bad in ("", "1x", "0x", "--1"):
    try:
        print(int(bad))
    except ValueError:
        print("ValueError", repr(bad))
try:
    1 // 0
except ZeroDivisionError as e:
    print(type(e).__name__)
