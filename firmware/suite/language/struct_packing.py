# struct: sizes, byte orders, signs, alignment-free layouts, offsets.
import struct

for fmt, values in (("<bBhHiI", (-1, 255, -2, 65535, -3, 2**32 - 1)), (">bBhHiI", (-1, 255, -2, 65535, -3, 2**32 - 1)), ("<qQ", (-(2**63), 2**64 - 1)), (">f", (1.5,)), ("<d", (-0.25,)), ("<3s5sB", (b"ab", b"hello", 9))):
    packed = struct.pack(fmt, *values)
    print(fmt, struct.calcsize(fmt), packed, struct.unpack(fmt, packed) == values or struct.unpack(fmt, packed))
buf = bytearray(12)
struct.pack_into("<HI", buf, 2, 0x1234, 0xDEADBEEF)
print(bytes(buf), [hex(v) for v in struct.unpack_from(">HI", buf, 2)], struct.unpack("<2x2H", bytes(range(6))))
try:
    struct.unpack("<I", b"abc")
except Exception as e:
    print("refused")
