# uctypes lays structures over memory, in both byte orders.
import uctypes

layout = {
    "a": uctypes.UINT8 | 0,
    "b": uctypes.UINT16 | 1,
    "c": uctypes.INT32 | 3,
    "arr": (uctypes.ARRAY | 7, uctypes.UINT8 | 3),
    "low": uctypes.BFUINT8 | 0 | 0 << uctypes.BF_POS | 4 << uctypes.BF_LEN,
    "high": uctypes.BFUINT8 | 0 | 4 << uctypes.BF_POS | 4 << uctypes.BF_LEN,
}
data = bytearray(b"\x5a\x34\x12\xfe\xff\xff\xff\x01\x02\x03")
for order in (uctypes.LITTLE_ENDIAN, uctypes.BIG_ENDIAN):
    s = uctypes.struct(uctypes.addressof(data), layout, order)
    print(s.a, hex(s.b), s.c, list(s.arr[i] for i in range(3)), s.low, s.high)
s.high = 1
s.b = 0xABCD
s.arr[2] = 99
print(bytes(data), uctypes.sizeof(layout, uctypes.LITTLE_ENDIAN))
print(uctypes.bytes_at(uctypes.addressof(data), 3), bytes(uctypes.bytearray_at(uctypes.addressof(data) + 7, 2)))
