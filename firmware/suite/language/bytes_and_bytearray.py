# Bytes, bytearrays and memoryviews share storage where they should.
b = b"hello world"
print(b[0], b[1:4], b.find(b"wor"), b.split(b" "), b.replace(b"l", b"L"))
print(bytes(3), bytes([1, 2, 255]), bytes(range(5)), b"a" + b"b", b"ab" * 2, b"\x00\xff'")
print(b.hex() if hasattr(b, "hex") else "", bytes.fromhex("00ff10"), b"abc" < b"abd", b"a" in b"cab")
a = bytearray(b"abcdef")
a[0] = 65
a[1:3] = b"XYZ"
a.append(33)
a.extend(b"??")
print(a, len(a), bytes(a))
m = memoryview(a)
m[0] = 0x5A
m[2:4] = b"--"
print(a, bytes(m[1:5]), len(m), m[-1])


def beyond():
    a[99] = 0


for f in (lambda: int(b"x"), beyond):
    try:
        f()
    except (ValueError, IndexError, TypeError):
        print("refused")
